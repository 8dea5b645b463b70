;; wat2wasm: --enable-exceptions
;; Counters that a loop leaves to a handler: what is computed behind the loop stands behind the handler's landing pad.
(module
  (tag $t (param i32))
  (memory (export "memory") 1)
  (func $maybe (param i32) (if (i32.gt_u (local.get 0) (i32.const 90)) (then (throw $t (local.get 0)))))
  (func $run (param $n i32) (result i32) (local $i i32) (local $p i32)
    (local.set $p (i32.const 800))
    (try
      (do
        (loop $again
          (i32.store (local.get $p) (local.get $i))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (local.set $p (i32.sub (local.get $p) (i32.const 8)))
          (call $maybe (local.get $i))
          (br_if $again (i32.lt_u (local.get $i) (local.get $n)))))
      (catch $t drop (i32.store (i32.add (local.get $p) (i32.const 4)) (local.get $i))))
    (i32.add (local.get $i) (i32.load (i32.add (local.get $p) (i32.const 8)))))
  (func (export "_start")
    (if (i32.ne (call $run (i32.const 50)) (i32.const 99)) (then (unreachable)))
    (if (i32.ne (call $run (i32.const 95)) (i32.const 181)) (then (unreachable)))))
