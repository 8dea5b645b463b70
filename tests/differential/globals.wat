(module (global (export "extern$") externref (ref.null extern)))
