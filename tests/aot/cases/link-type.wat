;; options: --link counter=lib-counter.wat
;; error: incompatible import type: "counter" "next" is imported as function (i32) -> () but
;; error: exports function () -> (i32)
(module (import "counter" "next" (func (param i32))) (func (export "_start")))
