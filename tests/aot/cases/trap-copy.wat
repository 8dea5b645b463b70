;; options: -O0
;; trap: out of bounds memory access, in inner called from _start
;; The check is in a helper, which the report leaves out.
(module
  (memory (export "memory") 1)
  (func $inner (memory.copy (i32.const 0) (i32.const 0xfff0) (i32.const 0x11)))
  (func (export "_start")
    (memory.copy (i32.const 0) (i32.const 0xfff0) (i32.const 0x10))
    (call $inner)))
