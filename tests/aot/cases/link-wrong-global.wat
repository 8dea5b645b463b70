;; options: --link lib=lib-everything.wat
;; wat2wasm: --enable-exceptions
;; error: is imported as immutable global i32 but
;; error: exports mutable global i32
(module (import "lib" "variable" (global i32)) (func (export "_start")))
