;; options: --link lib=lib-writer.wat
;; output: from the library
;; output: from the program
;; output: from the library
;; output: from the program
;; exit: 7
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "lib" "say" (func $say (result i32)))
  (import "lib" "say_indirectly" (func $say_indirectly (result i32)))
  (import "lib" "beyond" (func $beyond (param i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0x20) "\00\00\01\00\11\00\00\00")
  (data (i32.const 0x10000) "from the program\n")
  (func $expect (param i32 i32) (if (i32.ne (local.get 0) (local.get 1)) (then unreachable)))
  (func (export "_start")
    (call $expect (call $say) (i32.const 17))
    (call $expect (call $write (i32.const 1) (i32.const 0x20) (i32.const 1) (i32.const 8)) (i32.const 0))
    (call $expect (call $say_indirectly) (i32.const 17))
    (call $expect (call $write (i32.const 1) (i32.const 0x20) (i32.const 1) (i32.const 8)) (i32.const 0))
    (call $expect (call $beyond (i32.const 0xfffc)) (i32.const 21)) ;; EFAULT of WASI
    (call $expect (i32.load (i32.const 8)) (i32.const 17))
    (call $exit (i32.const 7))))
