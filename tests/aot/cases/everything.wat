;; exit: 9
;; One module with every kind of section: what the damaged modules are made of.
(module $everything
  (type $unary (func (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (table $table 4 8 funcref)
  (memory $memory (export "memory") 1 2)
  (global $counter (mut i64) (i64.const 1))
  (elem (i32.const 1) func $double $half)
  (elem $passive func $half)
  (data (i32.const 16) "\05\00\00\00")
  (data $later "later")
  (func $double (type $unary) (i32.shl (local.get 0) (i32.const 1)))
  (func $half (type $unary) (i32.shr_u (local.get 0) (i32.const 1)))
  (func $many (param i32 f64) (result i32 f64) (local f32)
    (local.get 0) (local.get 1))
  (func $sum (param $n i32) (result i32) (local $total i32)
    (block $done
      (loop $again
        (br_if $done (i32.eqz (local.get $n)))
        (local.set $total (i32.add (local.get $total) (local.get $n)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $again)))
    (local.get $total))
  (func $choose (param i32) (result i32)
    (block (block (block (br_table 0 1 2 (local.get 0))) (return (i32.const 10))) (return (i32.const 20)))
    (i32.const 30))
  (func $start (global.set $counter (i64.const 2)))
  (start $start)
  (func (export "_start")
    (memory.init $later (i32.const 32) (i32.const 0) (i32.const 5))
    (data.drop $later)
    (table.init $table $passive (i32.const 0) (i32.const 0) (i32.const 1))
    (drop (call $many (i32.const 1) (f64.const 2.5)))
    (if (i32.ne (call $choose (i32.const 1)) (i32.const 20)) (then unreachable))
    (drop)
    (call $proc_exit
      (i32.add
        (call_indirect (type $unary) (i32.load (i32.const 16)) (i32.const 1))     ;; 10
        (i32.sub (call $sum (i32.wrap_i64 (global.get $counter))) (i32.const 4))))))  ;; 3 - 4
