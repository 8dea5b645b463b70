;; wat2wasm: --enable-exceptions --enable-tail-call
;; exit: 9
;; A tail call leaves the try it stands in: what its callee throws goes to the caller. Arguments on the stack, which the
;; callee takes away, do not confuse the handler.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (type $many (func (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i32)))
  (tag $t (param i32))
  (table 1 funcref)
  (elem (i32.const 0) $throws)
  (func $throws (type $many) (throw $t (i32.wrap_i64 (i64.add (local.get 0) (local.get 11)))))
  (func $leaves (type $many)
    (try
      (do (return_call_indirect (type $many) (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)
            (local.get 5) (local.get 6) (local.get 7) (local.get 8) (local.get 9) (local.get 10) (local.get 11) (i32.const 0)))
      (catch_all (call $proc_exit (i32.const 1))))
    (unreachable))
  (func $catches (param $n i64) (result i32)
    (try (result i32)
      (do (call $leaves (local.get $n) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6)
            (i64.const 7) (i64.const 8) (i64.const 9) (i64.const 10) (i64.const 2)))
      (catch $t)))
  (func (export "_start") (local $i i32)
    (loop $again
      (if (i32.ne (call $catches (i64.extend_i32_u (local.get $i))) (i32.add (local.get $i) (i32.const 2)))
        (then (call $proc_exit (i32.const 2))))
      (br_if $again (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100000))))
    (call $proc_exit (call $catches (i64.const 7)))))
