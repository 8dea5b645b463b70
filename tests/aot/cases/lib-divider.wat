(module
  (func $deep (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
  (func $entry (export "divide") (param i32) (result i32) (call $deep (local.get 0))))
