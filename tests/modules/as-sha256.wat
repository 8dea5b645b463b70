;; Hashes of known texts by @chainsafe/as-sha256, a library written in AssemblyScript that exports its memory: one text, and four
;; at once in vector registers.
(module
  (import "sha256" "memory" (memory 1))
  (import "sha256" "input" (global $input (mut i32)))
  (import "sha256" "output" (global $output (mut i32)))
  (import "sha256" "digest" (func $digest (param i32)))
  (import "sha256" "batchHash4UintArray64s" (func $digest_four (param i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (func $digit (param $value i32) (result i32)
    (i32.add (local.get $value) (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get $value) (i32.const 10)))))
  ;; The hash at $at and a line's end, to standard output; the library leaves the page's last bytes alone.
  (func $print (param $at i32)
    (local $byte i32) (local $value i32)
    (i32.store (i32.const 65000) (i32.const 65100))
    (i32.store (i32.const 65004) (i32.const 65))
    (i32.store8 (i32.const 65164) (i32.const 10))
    (loop $next
      (local.set $value (i32.load8_u (i32.add (local.get $at) (local.get $byte))))
      (i32.store8 offset=65100 (i32.shl (local.get $byte) (i32.const 1)) (call $digit (i32.shr_u (local.get $value) (i32.const 4))))
      (i32.store8 offset=65101 (i32.shl (local.get $byte) (i32.const 1)) (call $digit (i32.and (local.get $value) (i32.const 15))))
      (local.set $byte (i32.add (local.get $byte) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $byte) (i32.const 32))))
    (drop (call $fd_write (i32.const 1) (i32.const 65000) (i32.const 1) (i32.const 65008))))
  (func (export "_start")
    (i32.store (global.get $input) (i32.const 0x636261)) ;; "abc"
    (call $digest (i32.const 3))
    (call $print (global.get $output))
    (memory.fill (global.get $input) (i32.const 0) (i32.const 256))
    (call $digest_four (global.get $output))
    (call $print (global.get $output))
    (call $print (i32.add (global.get $output) (i32.const 96)))))
