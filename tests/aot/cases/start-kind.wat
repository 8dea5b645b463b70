;; error: "_start" must be a function of the module without parameters and results
(module (global (export "_start") i32 (i32.const 1)))
