;; options: --manifest entry-initialise.json
;; exit: 5
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (global $state (mut i32) (i32.const 4))
  (func (export "_initialize")
    (global.set $state (i32.add (global.get $state) (i32.const 1)))
    (call $exit (global.get $state))))
