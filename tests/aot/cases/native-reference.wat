;; output: hi
;; A native function in a table has a type like any other.
(module
  (type $write (func (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (type $write)))
  (memory 1)
  (table 1 funcref)
  (elem (i32.const 0) $fd_write)
  (data (i32.const 0) "\08\00\00\00\03\00\00\00hi\n")
  (func (export "_start")
    (drop (call_indirect (type $write) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100) (i32.const 0)))))
