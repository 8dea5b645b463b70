;; options: --link lib=lib-writer.wat
;; wat2wasm: --enable-threads
;; error: lib-writer.wasm: in a program with threads, a module that imports functions of the system must use the program's first memory
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "lib" "say" (func $say (result i32)))
  (memory (export "memory") 1 2 shared)
  (func (export "wasi_thread_start") (param i32 i32))
  (func (export "_start") (drop (call $say)) (drop (call $spawn (i32.const 0)))))
