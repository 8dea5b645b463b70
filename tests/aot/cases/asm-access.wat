;; asm: x86_64: movl 16(%rax), %eax
;; asm: arm64: ldr w0, [x8, #16]
;; An access is one instruction: the index is the address, the offset its displacement.
(module
  (memory 1)
  (func (export "load") (param i32) (result i32) (i32.load offset=16 (local.get 0)))
  (func (export "_start")))
