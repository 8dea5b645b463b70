;; error: unknown import "env" "missing"
;; error: import-unknown.wasm: 0x
(module (import "env" "missing" (func)) (func (export "_start")))
