;; Calls pong, which calls ping: for link-circle.wat.
(module
  (import "pong" "down" (func $down (param i32) (result i32)))
  (func (export "ping") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (call $down (local.get 0)))
      (else (i32.const 40)))))
