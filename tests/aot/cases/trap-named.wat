;; options: -O0
;; trap: integer divide by zero, in inner called from outer called from _start
(module
  (func $inner (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
  (func $outer (param i32) (result i32) (i32.add (call $inner (local.get 0)) (i32.const 1)))
  (func (export "_start") (drop (call $outer (i32.const 0)))))
