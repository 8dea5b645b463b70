;; options: --manifest entry.json
;; error: entry.json: "entry": the module exports no function "go now" without parameters and results
(module
  (func (export "_start"))
  (func (export "go now") (param i32)))
