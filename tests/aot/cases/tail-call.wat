;; wat2wasm: --enable-tail-call
;; exit: 21
;; Ten million tail calls, direct and through a table, in a stack of one megabyte; and back to native code.
(module
  (type $step (func (param i32 i64) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (table 1 funcref)
  (elem (i32.const 0) $odd)
  (func $even (type $step)
    (if (i32.eqz (local.get 0)) (then (return (i32.wrap_i64 (local.get 1)))))
    (return_call_indirect (type $step) (i32.sub (local.get 0) (i32.const 1)) (local.get 1) (i32.const 0)))
  (func $odd (type $step)
    (return_call $even (i32.sub (local.get 0) (i32.const 1)) (local.get 1)))
  (func (export "_start") (call $proc_exit (call $even (i32.const 10000000) (i64.const 21)))))
