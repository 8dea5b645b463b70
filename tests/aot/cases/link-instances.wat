;; options: --link left=lib-counter.wat --link right=lib-counter.wat
;; exit: 69
;; Two instances of one module: each has its own global, table and memory.
(module
  (import "left" "next" (func $left (result i32)))
  (import "right" "next" (func $right (result i32)))
  (import "left" "count" (global $left_count (mut i32)))
  (import "right" "count" (global $right_count (mut i32)))
  (import "left" "memory" (memory 1))
  (import "right" "table" (table 2 funcref))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (type $get (func (result i32)))
  (func (export "_start")
    (drop (call $left)) (drop (call $left)) (drop (call $left)) ;; 8
    (drop (call_indirect (type $get) (i32.const 1)))            ;; right's: 6
    (global.set $right_count (i32.sub (global.get $right_count) (i32.const 1))) ;; 5
    (call $proc_exit (i32.add (i32.mul (i32.const 8) (global.get $left_count)) (global.get $right_count)))))
