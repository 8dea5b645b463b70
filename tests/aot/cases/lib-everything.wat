;; One export of each kind, for link-everything.wat and the cases named link-wrong-*.wat.
(module
  (memory (export "memory") 2 4)
  (table (export "table") 3 8 funcref)
  (global (export "constant") i64 (i64.const 9))
  (global (export "variable") (mut i32) (i32.const 5))
  (tag $tag (export "tag") (param i32))
  (data (i32.const 65540) "\07")
  (elem (i32.const 2) $grow)
  (func $grow (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "raise") (param i32) (throw $tag (local.get 0))))
