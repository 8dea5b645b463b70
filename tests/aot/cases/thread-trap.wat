;; options: -O0
;; wat2wasm: --enable-threads
;; trap: integer divide by zero, in divide called from wasi_thread_start
;; A trap in any thread ends the program.
(module
  (import "env" "memory" (memory 1 1 shared))
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (func $divide (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
  (func $wasi_thread_start (export "wasi_thread_start") (param i32 i32) (drop (call $divide (local.get 1))))
  (func (export "_start")
    (drop (call $spawn (i32.const 0)))
    (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))
