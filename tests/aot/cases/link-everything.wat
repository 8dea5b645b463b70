;; options: --link lib=lib-everything.wat
;; wat2wasm: --enable-exceptions --enable-multi-memory
;; exit: 31
;; A memory of another module beside its own, its table, both kinds of globals, its tag and functions.
(module
  (import "lib" "memory" (memory $theirs 2 4))
  (import "lib" "table" (table 3 8 funcref))
  (import "lib" "constant" (global $constant i64))
  (import "lib" "variable" (global $variable (mut i32)))
  (import "lib" "tag" (tag $tag (param i32)))
  (import "lib" "raise" (func $raise (param i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory $own 1)
  (type $grow (func (param i32) (result i32)))
  (func (export "_start") (local $sum i32)
    (i32.store8 $theirs (i32.const 65540) (i32.add (i32.load8_u $theirs (i32.const 65540)) (i32.const 1))) ;; 8
    (drop (call_indirect (type $grow) (i32.const 1) (i32.const 2)))                                        ;; 3 pages
    (global.set $variable (i32.add (global.get $variable) (memory.size $theirs)))                          ;; 8
    (local.set $sum
      (try (result i32) (do (call $raise (i32.const 6)) (i32.const 0))                                     ;; 6
        (catch $tag)))
    (call $proc_exit
      (i32.add (local.get $sum)
        (i32.add (global.get $variable)
          (i32.add (i32.load8_u $theirs (i32.const 65540)) (i32.wrap_i64 (global.get $constant))))))))
