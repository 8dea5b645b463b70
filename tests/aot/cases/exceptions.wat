;; wat2wasm: --enable-exceptions
;; error: throw cannot be translated
;; error: function 0: 0x
;; What is not translated is refused by name.
(module (tag $t) (func (export "_start") (throw $t)))
