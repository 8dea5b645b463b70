;; options: --link lib=lib-everything.wat
;; wat2wasm: --enable-exceptions
;; error: is imported as function (i32) -> () but
;; error: exports memory of 2 to 4
(module (import "lib" "memory" (func (param i32))) (func (export "_start")))
