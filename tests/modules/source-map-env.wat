;; The callback of source-map.wat: folds all that it is told into one number.
(module
  (global $sum (mut i32) (i32.const 17))
  (func $fold (param i32)
    (global.set $sum (i32.add (i32.mul (global.get $sum) (i32.const 31)) (local.get 0))))
  (func (export "mapping_callback") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)
    (call $fold (local.get 0)) (call $fold (local.get 1)) (call $fold (local.get 2))
    ;; What a mapping does not have is not told either.
    (if (local.get 2) (then (call $fold (local.get 3))))
    (if (local.get 4) (then (call $fold (local.get 5)) (call $fold (local.get 6)) (call $fold (local.get 7))))
    (if (local.get 8) (then (call $fold (local.get 9)))))
  (func (export "mappings_sum") (result i32) (global.get $sum)))
