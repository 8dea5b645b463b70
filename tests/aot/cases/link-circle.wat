;; options: --link ping=lib-ping.wat --link pong=lib-pong.wat
;; exit: 42
;; Two libraries that call each other.
(module
  (import "ping" "ping" (func $ping (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory 1)
  (func (export "_start") (call $proc_exit (call $ping (i32.const 2)))))
