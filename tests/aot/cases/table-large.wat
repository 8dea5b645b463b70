;; error: table-large.wasm: 0x
;; error: a table of 67108857 entries; all tables together may have 67108864
(module
  (table $small 8 funcref)
  (table $large 67108857 funcref)
  (func (export "_start") (table.set $large (i32.const 67108856) (table.get $small (i32.const 7)))))
