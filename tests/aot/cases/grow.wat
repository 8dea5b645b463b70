;; Growing maps zeroed pages up to the maximum, and the old ones stay.
(module
  (memory 1 3)
  (func $check (param i32) (if (i32.eqz (local.get 0)) (then unreachable)))
  (func (export "_start")
    (i32.store (i32.const 65532) (i32.const 77))
    (call $check (i32.eq (memory.grow (i32.const 2)) (i32.const 1)))
    (call $check (i32.eq (memory.size) (i32.const 3)))
    (call $check (i32.eqz (i32.load (i32.const 196604))))
    (call $check (i32.eq (i32.load (i32.const 65532)) (i32.const 77)))
    (call $check (i32.eq (memory.grow (i32.const 1)) (i32.const -1)))
    (call $check (i32.eq (memory.grow (i32.const -1)) (i32.const -1)))
    (call $check (i32.eq (memory.size) (i32.const 3)))))
