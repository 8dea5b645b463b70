/* Constants that LLVM must not see: aot/lower/float.c says why. */
#include "wasm_runtime.h"

const float wasm_float_constants[4] = {0.0f, -0.0f, 1.0f, -1.0f};
const double wasm_double_constants[4] = {0.0, -0.0, 1.0, -1.0};
