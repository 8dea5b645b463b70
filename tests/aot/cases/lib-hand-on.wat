;; Hands on what it imports itself: two of them that import from each other have nothing to give.
(module (import "other" "x" (func $x)) (export "x" (func $x)))
