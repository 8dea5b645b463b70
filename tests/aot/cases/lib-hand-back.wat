(module (import "one" "x" (func $x)) (export "x" (func $x)))
