;; trap: out of bounds memory access, in inner called from _start
;; The trap comes before anything that needs a frame; the caller is known all the same.
(module
  (memory 1)
  (type $f (func (param i32) (result i32)))
  (table funcref (elem $inner))
  (func $inner (type $f)
    (if (result i32) (i32.load (local.get 0))
      (then (i32.add (call $inner (i32.sub (local.get 0) (i32.const 4))) (i32.const 1)))
      (else (i32.const 0))))
  (func (export "_start")
    (drop (i32.add (call_indirect (type $f) (i32.const -8) (i32.load (i32.const 0))) (i32.const 1)))))
