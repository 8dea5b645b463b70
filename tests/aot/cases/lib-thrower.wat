(module
  (tag $t (export "tag") (param i32))
  (func $throw (export "throw") (param i32) (throw $t (local.get 0)))
  (func (export "call") (param funcref i32) (result i32) (try (result i32) (do (call $throw (local.get 1)) (i32.const 0)) (catch $t))))
