;; options: --link lib=lib-everything.wat
;; wat2wasm: --enable-exceptions
;; error: is imported as memory of 3 but
;; error: exports memory of 2 to 4
(module (import "lib" "memory" (memory 3)) (func (export "_start")))
