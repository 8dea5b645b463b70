;; options: -O0
;; trap: indirect call type mismatch, in inner called from start
;; Locals keep what they hold across calls, blocks and a comparison that is turned round.
(module
  (type $one (func (param i32) (result i32)))
  (type $none (func))
  (table 2 funcref)
  (memory (export "memory") 1)
  (elem (i32.const 0) $half $start)
  (func $half (param i32) (result i32) (i32.shr_u (local.get 0) (i32.const 1)))
  (func $inner (param $x i32) (local $y i32)
    (local.set $y (call_indirect (type $one) (local.get $x) (i32.const 0)))
    (if (i32.eqz (i32.lt_s (local.get $y) (local.get $x))) (then (unreachable)))
    (if (i32.eqz (i32.eqz (i32.ne (local.tee $x (i32.add (local.get $y) (i32.const 1))) (i32.const 22))))
      (then (unreachable)))
    (loop $again
      (local.set $x (i32.sub (local.get $x) (i32.const 1)))
      (br_if $again (i32.gt_u (local.get $x) (local.get $y))))
    (if (i32.ne (local.get $x) (local.get $y)) (then (unreachable)))
    (drop (call_indirect (type $one) (local.get $x) (i32.const 1))))
  (func $start (export "_start") (call $inner (i32.const 42))))
