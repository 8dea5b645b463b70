;; What the random modules of a newer Binaryen import: the log of support.wat, tags and what throws them, and functions that
;; would let JavaScript call back, which here do nothing.
(module
  (global $hash (mut i64) (i64.const 0x6c62272e07bb0142))
  (tag $wasmtag (export "wasmtag") (param i32))
  (tag $jstag (export "jstag") (param externref))
  (func $fold (param $value i64)
    (global.set $hash
      (i64.add
        (i64.mul
          (i64.rotl (i64.xor (global.get $hash) (local.get $value)) (i64.const 23))
          (i64.const 0x9e3779b97f4a7c15))
        (i64.const 1))))
  (func (export "log-i32") (param i32) (call $fold (i64.extend_i32_u (local.get 0))))
  (func (export "log-i64") (param i64) (call $fold (local.get 0)))
  (func (export "log-f32") (param f32) (call $fold (i64.extend_i32_u (i32.reinterpret_f32 (local.get 0)))))
  (func (export "log-f64") (param f64) (call $fold (i64.reinterpret_f64 (local.get 0))))
  (func (export "log-v128") (param v128)
    (call $fold (i64x2.extract_lane 0 (local.get 0)))
    (call $fold (i64x2.extract_lane 1 (local.get 0))))
  (func (export "throw") (param i32)
    (if (local.get 0) (then (throw $wasmtag (local.get 0))))
    (throw $jstag (ref.null extern)))
  (func (export "table-get") (param i32) (result funcref) (ref.null func))
  (func (export "table-set") (param i32 funcref))
  (func (export "call-ref") (param funcref i32))
  (func (export "call-ref-catch") (param funcref) (result i32) (i32.const 0))
  (func (export "call-export") (param i32 i32))
  (func (export "call-export-catch") (param i32) (result i32) (i32.const 0))
  (func (export "sleep") (param i32 i32) (result i32) (local.get 1))
  (func (export "hash") (result i64) (global.get $hash)))
