;; error: unknown import "env?[31m?" "?x???y?": () -> ()
(module
  (import "env\1b[31m\0a" "\c2\9bx\e2\80\ae\7f\e2\81\a6y\e2\80\a8" (func))
  (func (export "_start")))
