;; Linked into simd-values.wat: gives a vector in each way that a module can.
(module
  (global (export "constant") v128 (v128.const i32x4 1 2 3 4))
  (global (export "variable") (mut v128) (v128.const i64x2 -1 0x7fffffffffffffff))
  (func (export "swap") (param i32 v128 f32 v128) (result v128 i32 v128) (local.get 3) (local.get 0) (local.get 1)))
