;; trap: indirect call type mismatch, in _start
;; A function of other vector types is not called.
(module
  (type $one (func (param v128) (result v128)))
  (type $two (func (param v128 v128) (result v128)))
  (table funcref (elem $f))
  (func $f (type $one) (local.get 0))
  (func $_start (export "_start")
    (drop (call_indirect (type $two) (v128.const i64x2 1 2) (v128.const i64x2 1 2) (i32.const 0)))))
