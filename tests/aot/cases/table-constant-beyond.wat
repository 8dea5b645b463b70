;; options: -O0
;; trap: undefined element, in inner called from _start
(module
  (type $nothing (func))
  (table 2 funcref)
  (memory (export "memory") 1)
  (func $inner (call_indirect (type $nothing) (i32.const 0x0ffffffe)))
  (func (export "_start") (call $inner)))
