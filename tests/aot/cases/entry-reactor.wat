;; options: --manifest entry-reactor.json
;; exit: 6
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (global $state (mut i32) (i32.const 0))
  (func (export "_initialize") (global.set $state (i32.add (global.get $state) (i32.const 5))))
  (func (export "run") (call $exit (i32.add (global.get $state) (i32.const 1)))))
