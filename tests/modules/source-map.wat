;; Mozilla's parser of source maps (Rust), used as its JavaScript does: the text of the mappings goes into its memory, and it
;; calls back for each mapping. The library imports the callback from `env`, another module (source-map-env.wat).
(module
  (import "mappings" "memory" (memory 1))
  (import "mappings" "allocate_mappings" (func $allocate (param i32) (result i32)))
  (import "mappings" "parse_mappings" (func $parse (param i32) (result i32)))
  (import "mappings" "by_generated_location" (func $each (param i32)))
  (import "mappings" "get_last_error" (func $error (result i32)))
  (import "env" "mappings_sum" (func $sum (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (data $text "CAAC,IAAI,IAAM,SAAUA,GAClB,OAAOC,IAAID;CCDb,IAAI,IAAM,SAAUE,GAClB,OAAOA")
  (func (export "_start")
    (local $at i32) (local $parsed i32)
    (local.set $at (call $allocate (i32.const 71)))
    (memory.init $text (local.get $at) (i32.const 0) (i32.const 71))
    (local.set $parsed (call $parse (local.get $at)))
    (if (i32.eqz (local.get $parsed)) (then (call $exit (i32.add (i32.const 100) (call $error)))))
    (call $each (local.get $parsed))
    ;; A negative column is an error, and the library says which.
    (local.set $at (call $allocate (i32.const 1)))
    (i32.store8 (local.get $at) (i32.const 68)) ;; "D"
    (if (call $parse (local.get $at)) (then unreachable))
    (if (i32.ne (call $error) (i32.const 1)) (then unreachable))
    (call $exit (i32.and (call $sum) (i32.const 127)))))
