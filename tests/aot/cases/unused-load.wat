;; trap: out of bounds memory access, in _start
;; A load whose value nobody wants still traps.
(module
  (memory 1 1)
  (func (export "_start") (drop (i32.load (i32.const 65533)))))
