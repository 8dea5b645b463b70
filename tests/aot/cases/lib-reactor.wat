;; exit: 0
(module
  (global $state (mut i32) (i32.const 1))
  (func $begin (global.set $state (i32.mul (global.get $state) (i32.const 3))))
  (start $begin)
  (func (export "_initialize") (global.set $state (i32.add (global.get $state) (i32.const 4))))
  (func (export "state") (result i32) (global.get $state)))
