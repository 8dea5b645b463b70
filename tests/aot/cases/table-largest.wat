;; trap: uninitialized element, in _start
(module
  (table $large 67108864 funcref)
  (func (export "_start")
    (table.set $large (i32.const 67108863) (ref.null func)) (call_indirect $large (i32.const 67108863))))
