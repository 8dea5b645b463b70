;; asm: arm64: br x
;; asm: x86_64: jmpq *%r
;; exit: 17
;; A switch of nine targets is a table on both machines.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory 1)
  (data (i32.const 0) "\05")
  (func $choose (param i32) (result i32)
    (block $8 (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $6 $7 $8 (local.get 0)))
      (i32.store (i32.const 4) (i32.const 9)) (return (i32.const 3)))
      (return (i32.load (i32.const 8))))
      (return (i32.mul (local.get 0) (i32.load (i32.const 12)))))
      (i32.store8 (i32.const 16) (local.get 0)) (return (i32.const 44)))
      (return (i32.sub (i32.load (i32.const 20)) (local.get 0))))
      (return (i32.add (i32.load (i32.const 24)) (i32.const 17))))
      (return (i32.xor (i32.load (i32.const 28)) (i32.const 6))))
      (return (i32.clz (i32.load (i32.const 32)))))
    (i32.rotl (i32.load (i32.const 36)) (i32.const 2)))
  (func (export "_start") (call $exit (call $choose (i32.load (i32.const 0))))))
