;; options: --link the-lib=lib-reactor.wat --link the_lib=lib-reactor.wat --link main=lib-reactor.wat --link wasm=lib-reactor.wat
;; exit: 28
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "the-lib" "state" (func $first (result i32)))
  (import "the_lib" "state" (func $second (result i32)))
  (import "main" "state" (func $third (result i32)))
  (import "wasm" "state" (func $fourth (result i32)))
  (func (export "_initialize") unreachable)
  (func (export "_start")
    (call $exit (i32.add (i32.add (call $first) (call $second)) (i32.add (call $third) (call $fourth))))))
