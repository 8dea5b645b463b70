;; error: incompatible import type: "wasi_snapshot_preview1" "fd_close" is imported as (i64) -> (i32) but available as (i32) -> (i32)
(module (import "wasi_snapshot_preview1" "fd_close" (func (param i64) (result i32))) (func (export "_start")))
