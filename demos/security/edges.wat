;; Loads and stores at every edge of a memory of one page and of its 8 GiB guard, one a run.
;;
;;     edges CASE          CASE = 10 * operation + edge
;;
;; Operations are the functions of the table below, in its order, first without and then with the offset 0xffffffff.
;; Edges, for an access of w bytes:
;;   0  65536 - w            the last that is inside: no trap
;;   1  65536 - w + 1        its last byte is outside
;;   2  65536                all outside
;;   3  0x80000000           negative, if addresses were signed
;;   4  2^32 - w             the last that does not pass 4 GiB
;;   5  0xffffffff           passes 4 GiB by w - 1 bytes: must not continue at 0
;;   6  0 + 0xffffffff       the offset alone
;;   7  1 + 0xffffffff       the sum is 4 GiB: must not be 0
;;   8  w + 0xffffffff
;;   9  0xffffffff + 0xffffffff   the farthest address there is: 8 GiB - 2
;; After the operations: 150 memory.fill, 151 and 152 memory.copy, 153 memory.init, each reaching outside.
;; A case that does not trap ends with exit status 0.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (type $access (func (param i32)))

  (func $i32_load8_u (param $address i32) (drop (i32.load8_u (local.get $address))))
  (func $i32_load8_u_far (param $address i32) (drop (i32.load8_u offset=0xffffffff (local.get $address))))
  (func $i32_load16_s (param $address i32) (drop (i32.load16_s (local.get $address))))
  (func $i32_load16_s_far (param $address i32) (drop (i32.load16_s offset=0xffffffff (local.get $address))))
  (func $i32_load (param $address i32) (drop (i32.load (local.get $address))))
  (func $i32_load_far (param $address i32) (drop (i32.load offset=0xffffffff (local.get $address))))
  (func $i64_load8_s (param $address i32) (drop (i64.load8_s (local.get $address))))
  (func $i64_load8_s_far (param $address i32) (drop (i64.load8_s offset=0xffffffff (local.get $address))))
  (func $i64_load32_u (param $address i32) (drop (i64.load32_u (local.get $address))))
  (func $i64_load32_u_far (param $address i32) (drop (i64.load32_u offset=0xffffffff (local.get $address))))
  (func $i64_load (param $address i32) (drop (i64.load (local.get $address))))
  (func $i64_load_far (param $address i32) (drop (i64.load offset=0xffffffff (local.get $address))))
  (func $f32_load (param $address i32) (drop (f32.load (local.get $address))))
  (func $f32_load_far (param $address i32) (drop (f32.load offset=0xffffffff (local.get $address))))
  (func $f64_load (param $address i32) (drop (f64.load (local.get $address))))
  (func $f64_load_far (param $address i32) (drop (f64.load offset=0xffffffff (local.get $address))))
  (func $i32_store8 (param $address i32) (i32.store8 (local.get $address) (i32.const 0)))
  (func $i32_store8_far (param $address i32) (i32.store8 offset=0xffffffff (local.get $address) (i32.const 0)))
  (func $i32_store16 (param $address i32) (i32.store16 (local.get $address) (i32.const 0)))
  (func $i32_store16_far (param $address i32) (i32.store16 offset=0xffffffff (local.get $address) (i32.const 0)))
  (func $i32_store (param $address i32) (i32.store (local.get $address) (i32.const 0)))
  (func $i32_store_far (param $address i32) (i32.store offset=0xffffffff (local.get $address) (i32.const 0)))
  (func $i64_store32 (param $address i32) (i64.store32 (local.get $address) (i64.const 0)))
  (func $i64_store32_far (param $address i32) (i64.store32 offset=0xffffffff (local.get $address) (i64.const 0)))
  (func $i64_store (param $address i32) (i64.store (local.get $address) (i64.const 0)))
  (func $i64_store_far (param $address i32) (i64.store offset=0xffffffff (local.get $address) (i64.const 0)))
  (func $f32_store (param $address i32) (f32.store (local.get $address) (f32.const 0)))
  (func $f32_store_far (param $address i32) (f32.store offset=0xffffffff (local.get $address) (f32.const 0)))
  (func $f64_store (param $address i32) (f64.store (local.get $address) (f64.const 0)))
  (func $f64_store_far (param $address i32) (f64.store offset=0xffffffff (local.get $address) (f64.const 0)))

  (table 30 funcref)
  (elem (i32.const 0)
    $i32_load8_u $i32_load16_s $i32_load $i64_load8_s $i64_load32_u $i64_load $f32_load $f64_load $i32_store8 $i32_store16 $i32_store $i64_store32 $i64_store $f32_store $f64_store
    $i32_load8_u_far $i32_load16_s_far $i32_load_far $i64_load8_s_far $i64_load32_u_far $i64_load_far $f32_load_far $f64_load_far $i32_store8_far $i32_store16_far $i32_store_far $i64_store32_far $i64_store_far $f32_store_far $f64_store_far)
  ;; The width of each operation, and a passive segment of four bytes.
  (data (i32.const 64) "\01\02\04\01\04\08\04\08\01\02\04\04\08\04\08")
  (data $four "four")

  (func $fill_past_end (memory.fill (i32.const 65535) (i32.const 0) (i32.const 2)))
  (func $copy_from_outside (memory.copy (i32.const 0) (i32.const 65536) (i32.const 1)))
  (func $copy_everything (memory.copy (i32.const 1) (i32.const 0) (i32.const 0xffffffff)))
  (func $init_past_segment (memory.init $four (i32.const 0) (i32.const 1) (i32.const 4)))

  (func $bulk (param $which i32)
    (block $init (block $everything (block $copy (block $fill
      (br_table $fill $copy $everything $init $init (local.get $which)))
      (call $fill_past_end) (return))
      (call $copy_from_outside) (return))
      (call $copy_everything) (return))
    (call $init_past_segment))

  (func $edge_address (param $edge i32) (param $width i32) (result i32)
    (block $e9 (block $e8 (block $e7 (block $e6 (block $e5 (block $e4 (block $e3 (block $e2 (block $e1 (block $e0
      (br_table $e0 $e1 $e2 $e3 $e4 $e5 $e6 $e7 $e8 $e9 (local.get $edge)))
      (return (i32.sub (i32.const 65536) (local.get $width))))
      (return (i32.sub (i32.const 65537) (local.get $width))))
      (return (i32.const 65536)))
      (return (i32.const 0x80000000)))
      (return (i32.sub (i32.const 0) (local.get $width))))
      (return (i32.const 0xffffffff)))
      (return (i32.const 0)))
      (return (i32.const 1)))
      (return (local.get $width)))
    (i32.const 0xffffffff))

  ;; The number in argv[1].
  (func $case_of_argument (result i32)
    (local $at i32) (local $number i32) (local $digit i32)
    (drop (call $args_sizes_get (i32.const 0) (i32.const 4)))
    (if (i32.or (i32.lt_u (i32.load (i32.const 0)) (i32.const 2)) (i32.gt_u (i32.load (i32.const 4)) (i32.const 4096)))
      (then (call $proc_exit (i32.const 2))))
    (drop (call $args_get (i32.const 128) (i32.const 4096)))
    (local.set $at (i32.load (i32.const 132)))
    (loop $digits
      (local.set $digit (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))
      (if (i32.lt_u (local.get $digit) (i32.const 10))
        (then
          (local.set $number (i32.add (i32.mul (local.get $number) (i32.const 10)) (local.get $digit)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $digits))))
    (local.get $number))

  (func $_start (export "_start")
    (local $case i32) (local $operation i32) (local $edge i32)
    (local.set $case (call $case_of_argument))
    (local.set $operation (i32.div_u (local.get $case) (i32.const 10)))
    (local.set $edge (i32.rem_u (local.get $case) (i32.const 10)))
    (if (i32.ge_u (local.get $operation) (i32.const 15))
      (then (call $bulk (local.get $edge)))
      (else
        (call_indirect (type $access)
          (call $edge_address (local.get $edge) (i32.load8_u offset=64 (local.get $operation)))
          (i32.add (local.get $operation)
                   (select (i32.const 15) (i32.const 0) (i32.ge_u (local.get $edge) (i32.const 6)))))))
    (call $proc_exit (i32.const 0))))
