;; no-asm: x86_64: andl $-
;; no-asm: arm64: and x
;; asm: x86_64: addps
;; asm: arm64: fadd v
;; A loop over arrays at constant addresses computes no address but by one addition per turn.
(module
  (memory 2)
  (func (export "add") (local $i i32)
    (local.set $i (i32.const -16384))
    (loop $next
      (v128.store (i32.add (local.get $i) (i32.const 65536))
        (f32x4.add (v128.load (i32.add (local.get $i) (i32.const 32768)))
          (v128.load (i32.add (local.get $i) (i32.const 49152)))))
      (br_if $next (local.tee $i (i32.add (local.get $i) (i32.const 16))))))
  (func (export "_start")))
