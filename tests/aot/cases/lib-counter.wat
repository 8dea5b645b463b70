(module
  (memory (export "memory") 1)
  (global $count (export "count") (mut i32) (i32.const 5))
  (table (export "table") 2 funcref)
  (elem (i32.const 1) $next)
  (func $next (export "next") (result i32)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (global.get $count))
  (func (export "pair") (result i32 i64) (i32.const 7) (i64.const 8)))
