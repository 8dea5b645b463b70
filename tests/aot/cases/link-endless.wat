;; options: --link one=lib-hand-on.wat --link other=lib-hand-back.wat
;; error: leads in a circle
(module (import "one" "x" (func)) (func (export "_start")))
