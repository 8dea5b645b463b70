;; options: -O0
;; trap: out of bounds memory access, in far called from _start
;; The highest address and the highest offset: 2^33 - 2, in the guard.
(module
  (memory 1)
  (func $far (param i32) (result i64) (i64.load offset=4294967295 (local.get 0)))
  (func (export "_start") (drop (call $far (i32.const -1)))))
