;; options: -O0
;; wat2wasm: --enable-exceptions
;; trap: integer divide by zero, in divide called from _start
;; A trap is no exception: nothing catches it.
(module
  (func $divide (export "divide") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
  (func (export "_start") (try (do (drop (call $divide (i32.const 0)))) (catch_all))))
