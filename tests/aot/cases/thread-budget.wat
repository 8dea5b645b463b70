;; wat2wasm: --enable-threads
;; exit: 7
;; Beginning and ending threads is no way to more CPU time than the process has: what is done in a fifth of a second
;; while threads come and go, against what is done in another without. An emulated machine stands still when its host
;; has other work, so the two are compared up to five times: with time to be gained, all of them would show it.
;; (Without a limit there is nothing to find.)
(module
  (import "env" "memory" (memory 1 1 shared))
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $sched_yield (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  ;; 8: the time, 16: threads that have begun

  (func (export "wasi_thread_start") (param $number i32) (param $argument i32)
    (drop (i32.atomic.rmw.add (i32.const 16) (i32.const 1))))

  (func $now (result i64)
    (if (call $clock (i32.const 1) (i64.const 0) (i32.const 8)) (then (call $proc_exit (i32.const 2))))
    (i64.load (i32.const 8)))

  ;; Pieces of work until a fifth of a second has passed.
  (func $work (param $with_threads i32) (result i32) (local $end i64) (local $done i32) (local $i i32)
    (local.set $end (i64.add (call $now) (i64.const 200000000)))
    (loop $again
      (if (local.get $with_threads)
        (then
          (drop (call $spawn (i32.const 0)))
          (drop (call $sched_yield))))
      (local.set $i (i32.const 0))
      (loop $busy
        (i32.store (i32.const 24) (local.get $i))
        (br_if $busy (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 60000))))
      (local.set $done (i32.add (local.get $done) (i32.const 1)))
      (br_if $again (i64.lt_u (call $now) (local.get $end))))
    (local.get $done))

  (func (export "_start") (local $without i32) (local $with i32) (local $tries i32)
    (if (i32.lt_s (call $spawn (i32.const 0)) (i32.const 0)) (then (call $proc_exit (i32.const 3))))
    (loop $again
      (local.set $without (call $work (i32.const 0)))
      (local.set $with (call $work (i32.const 1)))
      (if (i32.lt_u (i32.atomic.load (i32.const 16)) (i32.const 2)) (then (call $proc_exit (i32.const 4))))
      (if (i32.le_u (local.get $with) (i32.mul (local.get $without) (i32.const 3)))
        (then (call $proc_exit (i32.const 7))))
      (br_if $again (i32.lt_u (local.tee $tries (i32.add (local.get $tries) (i32.const 1))) (i32.const 5))))
    (call $proc_exit (i32.const 5))))
