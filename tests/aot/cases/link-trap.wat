;; options: --link the-lib=lib-divider.wat
;; trap: integer divide by zero, in the_lib.deep called from the_lib.entry called from go called from _start
(module
  (import "the-lib" "divide" (func $divide (param i32) (result i32)))
  (func $go (drop (call $divide (i32.const 0))))
  (func (export "_start") (call $go)))
