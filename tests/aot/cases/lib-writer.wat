;; exit: 0
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (table funcref (elem $write))
  (type $write (func (param i32 i32 i32 i32) (result i32)))
  (data (i32.const 0x1000) "from the library\n")
  (func (export "_initialize")
    (i32.store (i32.const 0) (i32.const 0x1000))
    (i32.store (i32.const 4) (i32.const 17)))
  ;; How many bytes were written, or the error; directly, and through a table.
  (func (export "say") (result i32)
    (i32.store (i32.const 8) (i32.const 0))
    (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
    (i32.load (i32.const 8)))
  (func (export "say_indirectly") (result i32)
    (i32.store (i32.const 8) (i32.const 0))
    (if (call_indirect (type $write) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 0)) (then unreachable))
    (i32.load (i32.const 8)))
  ;; The end of this memory, not of the program's first.
  (func (export "beyond") (param i32) (result i32) (call $write (i32.const 1) (local.get 0) (i32.const 1) (i32.const 8))))
