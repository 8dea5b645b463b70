;; Exceptions in the legacy encoding, two memories.
(module
  (tag $error (param i32))
  (memory $a 1)
  (memory $b 1)
  (func $copy (i32.store 1 (i32.const 0) (i32.load 0 (i32.const 4))))
  (func $fails (param i32) (throw $error (local.get 0)))
  (func $catches (param i32) (result i32)
    (try (result i32)
      (do (call $fails (local.get 0)) (i32.const 0))
      (catch $error (i32.const 1) (i32.add))
      (catch_all (rethrow 0))))
  (func $delegates
    (try $outer
      (do (try (do (call $fails (i32.const 1))) (delegate $outer)))
      (catch_all))))
