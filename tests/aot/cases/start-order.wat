;; output: sd
;; The start function runs before _start, after the data segments.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory 1)
  (data (i32.const 0) "\08\00\00\00\03\00\00\00.d\n")
  (func $first (i32.store8 (i32.const 8) (i32.const 115)))
  (start $first)
  (func (export "_start") (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))))
