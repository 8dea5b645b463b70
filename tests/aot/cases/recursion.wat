;; trap: call stack exhausted, in down (288 times or more)
;; trap: call stack exhausted, in down (280 times or more)
;; Self-recursion without end must meet the stack's guard, not become a loop. A frame is that of nine calls, of which eight
;; were inlined; on x86-64 the last of them is complete.
(module
  (func $down (param i32) (call $down (i32.add (local.get 0) (i32.const 1))))
  (func (export "_start") (call $down (i32.const 0))))
