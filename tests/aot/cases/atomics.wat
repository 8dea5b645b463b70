;; wat2wasm: --enable-threads
;; trap: unaligned atomic, in _start
;; asm: x86_64: lock xaddl
;; asm: arm64: ldaddal
(module
  (memory 1 2 shared)
  (func (export "_start")
    (if (i32.ne (i32.atomic.rmw.add (i32.const 8) (i32.const 5)) (i32.const 0)) (then (unreachable)))
    (if (i32.ne (memory.grow (i32.const 1)) (i32.const 1)) (then (unreachable)))
    (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then (unreachable)))
    (if (i32.ne (memory.atomic.wait32 (i32.const 8) (i32.const 4) (i64.const -1)) (i32.const 1)) (then (unreachable)))
    (if (i32.ne (memory.atomic.wait32 (i32.const 8) (i32.const 5) (i64.const 1000000)) (i32.const 2)) (then (unreachable)))
    (if (i32.ne (memory.atomic.notify (i32.const 8) (i32.const 1)) (i32.const 0)) (then (unreachable)))
    (drop (i64.atomic.rmw.add (i32.load (i32.const 8)) (i64.const 1)))))
