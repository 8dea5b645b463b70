;; options: -O2
;; trap: call stack exhausted, in odd called from even called from odd called from even called from odd called from even called from odd called from even called from ...
;; trap: call stack exhausted, in even called from odd called from even called from odd called from even called from odd called from even called from odd called from ...
(module
  (table 2 funcref)
  (elem (i32.const 0) $even $odd)
  (type $step (func (param i32)))
  (func $even (type $step) (call_indirect (type $step) (i32.add (local.get 0) (i32.const 1)) (i32.const 1)))
  (func $odd (type $step) (call_indirect (type $step) (i32.add (local.get 0) (i32.const 1)) (i32.const 0)))
  (func (export "_start") (call $even (i32.const 0))))
