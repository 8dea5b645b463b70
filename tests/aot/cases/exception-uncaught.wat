;; options: -O0
;; wat2wasm: --enable-exceptions
;; trap: uncaught exception, in inner called from _start
;; Nobody catches this tag: a trap where it was last thrown, with the stack as it was.
(module
  (tag $mine) (tag $other)
  (func $inner (throw $mine))
  (func (export "_start") (call $inner) (try (do (nop)) (catch_all))))
