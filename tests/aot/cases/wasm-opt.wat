;; options: --wasm-opt -O1
;; asm: x86_64: movl $42, %edi
;; asm: arm64: mov w0, #42
;; trap: integer divide by zero, in divide called from start
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory 1)
  (table 1 funcref)
  ;; Binaryen keeps traps and names.
  (func $divide (export "divide") (param i32) (result i32)
    (i32.div_u (i32.const 1) (local.get 0)))
  (func $leave (export "leave") (call $exit (i32.mul (i32.const 6) (i32.const 7))))
  (func $start (export "_start")
    (drop (call $divide (i32.load (i32.const 0))))
    (call $leave)))
