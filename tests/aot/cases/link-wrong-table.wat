;; options: --link lib=lib-everything.wat
;; wat2wasm: --enable-exceptions
;; error: is imported as table of 3 to 8 externref but
;; error: exports table of 3 to 8 funcref
(module (import "lib" "table" (table 3 8 externref)) (func (export "_start")))
