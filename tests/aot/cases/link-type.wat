;; options: --link counter=lib-counter.wat
;; error: incompatible import type: "counter" "next"
(module (import "counter" "next" (func (param i32))) (func (export "_start")))
