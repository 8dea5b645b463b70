;; options: --manifest entry.json
;; exit: 7
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (func (export "_start") unreachable)
  (func (export "go now") (call $exit (i32.const 7))))
