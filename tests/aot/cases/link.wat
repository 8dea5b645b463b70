;; options: --link counter=lib-counter.wat
;; exit: 8
;; Functions, a memory of its own, a table, a global and several results of another module.
(module
  (import "counter" "next" (func $next (result i32)))
  (import "counter" "pair" (func $pair (result i32 i64)))
  (import "counter" "count" (global $count (mut i32)))
  (import "counter" "table" (table 2 funcref))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory 1)
  (type $get (func (result i32)))
  (func $check (param i32) (if (i32.eqz (local.get 0)) (then unreachable)))
  (func (export "_start")
    (call $check (i32.eq (call $next) (i32.const 6)))
    (call $check (i32.eq (global.get $count) (i32.const 6)))
    (call $check (i32.eq (call_indirect (type $get) (i32.const 1)) (i32.const 7)))
    (call $check (i64.eq (call $pair) (i64.const 8)))
    (call $check (i32.eq (i32.const 7)))
    (call $proc_exit (call $next))))
