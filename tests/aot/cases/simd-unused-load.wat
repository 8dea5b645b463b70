;; trap: out of bounds memory access, in _start
;; A vector access that nobody needs still traps; the one before it reaches the last byte.
(module
  (memory 1)
  (func $_start (export "_start") (local v128)
    (drop (v128.load (i32.const 65520)))
    (drop (v128.load8_lane 3 (i32.const 65535) (local.get 0)))
    (v128.store64_lane 1 (i32.const 65528) (local.get 0))
    (drop (v128.load64_zero (i32.const 65528)))
    (drop (v128.load16x4_u (i32.const 65529)))))
