;; wat2wasm: --enable-exceptions
;; trap: call stack exhausted, in spin (288 times or more)
;; trap: call stack exhausted, in spin (280 times or more)
;; Neither is the end of the stack, with a handler in every frame.
(module
  (func $spin (export "spin") (param i32) (result i32)
    (try (result i32)
      (do (i32.add (call $spin (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
      (catch_all (i32.const 0))))
  (func (export "_start") (drop (call $spin (i32.const 0)))))
