;; error: start-type.wasm: 0x
;; error: "_start" must be a function of the module without parameters and results
(module (func (export "_start") (param i32)))
