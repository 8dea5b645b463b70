;; spawn_exit: two initial pages, runs and exits.
(module
  (memory (export "memory") 2)
  (func (export "_start")))
