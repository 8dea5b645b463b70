;; options: --link lib=lib-thrower.wat
;; wat2wasm: --enable-exceptions
;; exit: 11
;; A tag is the same in two modules when one imports it from the other; one of the same type is another.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "lib" "throw" (func $throw (param i32)))
  (import "lib" "tag" (tag $shared (param i32)))
  (import "lib" "call" (func $call (param funcref i32) (result i32)))
  (tag $own (param i32))
  (func (export "_start")
    (try (do (call $throw (i32.const 4)))
      (catch $own (drop) (call $proc_exit (i32.const 1)))
      (catch $shared (call $call (ref.null func) (i32.const 7)) (i32.add) (call $proc_exit)))))
