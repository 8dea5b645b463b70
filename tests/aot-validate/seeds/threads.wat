;; Atomics on a shared memory, tail calls, sums in constant expressions.
(module
  (memory 1 4 shared)
  (global $base i32 (i32.add (i32.const 3) (i32.const 4)))
  (func $wait (param i32) (result i32)
    (atomic.fence)
    (drop (i64.atomic.rmw16.cmpxchg_u (local.get 0) (i64.const 1) (i64.const 2)))
    (drop (memory.atomic.notify (local.get 0) (i32.const 1)))
    (i32.atomic.store (local.get 0) (i32.atomic.rmw.add (local.get 0) (i32.const 1)))
    (return_call $wait (memory.atomic.wait32 (local.get 0) (i32.const 0) (i64.const -1)))))
