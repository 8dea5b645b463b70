;; asm: x86_64: movl 4(%rax), %eax
;; no-asm: x86_64: movl %eax, %eax
;; asm: arm64: ldr w8, [x8, #4]
;; no-asm: arm64: mov w8, w8
;; exit: 3
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory 1)
  ;; 16 -> 32 -> 48 -> 0
  (data (i32.const 20) "\20\00\00\00")
  (data (i32.const 36) "\30\00\00\00")
  (data (i32.const 52) "\00\00\00\00")
  (global $first (mut i32) (i32.const 16))
  ;; A pointer followed from node to node is extended once, by the load itself.
  (func $length (result i32) (local $node i32) (local $count i32)
    (local.set $node (global.get $first))
    (loop $next
      (local.set $count (i32.add (local.get $count) (i32.const 1)))
      (br_if $next (local.tee $node (i32.load offset=4 (local.get $node)))))
    (local.get $count))
  (func (export "_start") (call $exit (call $length))))
