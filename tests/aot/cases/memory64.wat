;; options: -O0
;; wat2wasm: --enable-memory64
;; trap: out of bounds memory access, in far called from _start
;; 64-bit indices are checked: the sum of index and offset may not wrap round.
(module
  (memory i64 1 2)
  (func $far (export "far") (param i64) (result i32) (i32.load offset=16 (local.get 0)))
  (func (export "_start")
    (i32.store (i64.const 65532) (i32.const 5))
    (if (i32.ne (call $far (i64.const 65516)) (i32.const 5)) (then unreachable))
    (if (i64.ne (memory.grow (i64.const 1)) (i64.const 1)) (then unreachable))
    (if (call $far (i64.const 65520)) (then unreachable))
    (drop (call $far (i64.const -8)))))
