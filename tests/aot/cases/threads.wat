;; wat2wasm: --enable-threads --enable-exceptions
;; output: 24 threads
;; exit: 7
;; As wasi-threads has it, each thread is an instance over the shared memory. Its globals and passive segments begin anew, its
;; exceptions are its own; the memory, and what is counted there, is everyone's. More threads than there may be at a time,
;; one after another.
(module
  (import "env" "memory" (memory 1 40 shared))
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $sched_yield (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (tag $thrown (param i32))
  (global $mine (mut i32) (i32.const 5))
  (table $changed 2 funcref)
  (elem func $fail)
  (data $passive "\07\00\00\00")
  (data (i32.const 512) "24 threads\n")
  ;; 0: threads that have ended, 4: their work, 8: the turn, 12: tickets, 16: begun; 64 + 16 n: a thread's own place

  (func $fail (param i32) (call $proc_exit (local.get 0)))

  (func $throws (param i32) (throw $thrown (local.get 0)))

  ;; A lock whose waiters sleep.
  (func $lock
    (loop $again
      (if (i32.ne (i32.atomic.rmw.cmpxchg (i32.const 8) (i32.const 0) (i32.const 1)) (i32.const 0))
        (then
          (drop (memory.atomic.wait32 (i32.const 8) (i32.const 1) (i64.const 1000000000)))
          (br $again)))))
  (func $unlock
    (i32.atomic.store (i32.const 8) (i32.const 0))
    (drop (memory.atomic.notify (i32.const 8) (i32.const 1))))

  (func (export "wasi_thread_start") (param $number i32) (param $place i32) (local $i i32)
    (if (i32.ne (global.get $mine) (i32.const 5)) (then (call $fail (i32.const 20))))
    (if (i32.eqz (ref.is_null (table.get $changed (i32.const 1)))) (then (call $fail (i32.const 21))))
    (table.set $changed (i32.const 1) (ref.func $fail))
    (memory.init $passive (local.get $place) (i32.const 0) (i32.const 4))
    (data.drop $passive)
    (if (i32.ne (i32.load (local.get $place)) (i32.const 7)) (then (call $fail (i32.const 22))))
    (if (i32.ne (i32.load (i32.add (local.get $place) (i32.const 4))) (local.get $place)) (then (call $fail (i32.const 23))))
    (loop $work
      (global.set $mine (i32.add (global.get $mine) (i32.const 3)))
      (try (do (call $throws (local.get $i)))
        (catch $thrown (if (i32.ne (local.get $i)) (then (call $fail (i32.const 24))))))
      (call $lock)
      (i32.store (i32.const 4) (i32.add (i32.load (i32.const 4)) (i32.const 1)))
      (if (i32.eqz (i32.rem_u (local.get $i) (i32.const 50))) (then (drop (call $sched_yield))))
      (call $unlock)
      (drop (call $clock (i32.const 1) (i64.const 0) (i32.add (local.get $place) (i32.const 8))))
      (br_if $work (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 500))))
    (if (i32.ne (global.get $mine) (i32.const 1505)) (then (call $fail (i32.const 25))))
    (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (call $fail (i32.const 26))))
    (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 0) (i32.const 1))))

  ;; Sleeps a millisecond, other threads may call in the meantime.
  (func $sleep
    (i32.store (i32.const 1024) (i32.const 0)) (i32.store (i32.const 1028) (i32.const 0))
    (i32.store8 (i32.const 1032) (i32.const 0))
    (i32.store (i32.const 1040) (i32.const 1))
    (i64.store (i32.const 1048) (i64.const 1000000)) (i64.store (i32.const 1056) (i64.const 0))
    (i32.store16 (i32.const 1064) (i32.const 0))
    (if (call $poll (i32.const 1024) (i32.const 1100) (i32.const 1) (i32.const 1160)) (then (call $fail (i32.const 10)))))

  ;; A new thread, when there is room for one.
  (func $start (param $place i32) (local $number i32)
    (i32.store (i32.add (local.get $place) (i32.const 4)) (local.get $place))
    (loop $again
      (local.set $number (call $spawn (local.get $place)))
      (if (i32.lt_s (local.get $number) (i32.const 1)) (then (call $sleep) (br $again)))))

  (func (export "_start") (local $i i32) (local $ended i32)
    (global.set $mine (i32.const 99))
    (table.set $changed (i32.const 1) (ref.func $fail))
    (loop $spawning
      (call $start (i32.add (i32.const 64) (i32.mul (local.get $i) (i32.const 16))))
      (br_if $spawning (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 24))))
    (loop $waiting
      (local.set $ended (i32.atomic.load (i32.const 0)))
      (if (i32.lt_u (local.get $ended) (i32.const 24))
        (then
          (drop (memory.atomic.wait32 (i32.const 0) (local.get $ended) (i64.const -1)))
          (br $waiting))))
    (if (i32.ne (i32.load (i32.const 4)) (i32.const 12000)) (then (call $fail (i32.const 11))))
    (if (i32.ne (global.get $mine) (i32.const 99)) (then (call $fail (i32.const 12))))
    (if (i32.ne (memory.size) (i32.const 25)) (then (call $fail (i32.const 13))))
    (i32.store (i32.const 1200) (i32.const 512)) (i32.store (i32.const 1204) (i32.const 11))
    (drop (call $fd_write (i32.const 1) (i32.const 1200) (i32.const 1) (i32.const 1208)))
    (call $proc_exit (i32.const 7))))
