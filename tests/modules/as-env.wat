;; What AssemblyScript's modules call when an assertion fails.
(module (func (export "abort") (param i32 i32 i32 i32) unreachable))
