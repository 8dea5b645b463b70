;; options: --manifest entry.json
;; error: entry.json: "entry": the module exports no function "go now" without parameters and results
(module
  (func (export "_start"))
  (global (export "go now") i32 (i32.const 0)))
