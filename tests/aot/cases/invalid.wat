;; wat2wasm: --no-check
;; error: function 0 "wrong": 0x
;; error: type mismatch
(module (func $wrong (export "_start") (result i32) (i64.const 1)))
