;; options: --link lib=lib-everything.wat
;; wat2wasm: --enable-exceptions
;; error: is imported as tag (i64) -> () but
;; error: exports tag (i32) -> ()
(module (import "lib" "tag" (tag (param i64))) (func (export "_start")))
