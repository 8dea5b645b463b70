;; options: --link counter=lib-counter.wat
;; error: unknown import "counter" "previous"
(module (import "counter" "previous" (func)) (func (export "_start")))
