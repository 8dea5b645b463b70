;; options: --link lib=lib-reactor.wat
;; wat2wasm: --enable-threads
;; exit: 73
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "lib" "state" (func $state (result i32)))
  (memory (export "memory") 1 1 shared)
  ;; A thread has instances of its own, which begin as any; what they share has been initialised.
  (func (export "wasi_thread_start") (param i32 i32)
    (i32.atomic.store (i32.const 0) (call $state))
    (drop (memory.atomic.notify (i32.const 0) (i32.const 1))))
  (func (export "_start")
    (if (i32.le_s (call $spawn (i32.const 0)) (i32.const 0)) (then unreachable))
    (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 5000000000)))
    (call $exit (i32.add (i32.mul (call $state) (i32.const 10)) (i32.atomic.load (i32.const 0))))))
