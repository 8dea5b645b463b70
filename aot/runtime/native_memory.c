/* The memory of the instance that calls a native function, where that is not the program's first; runtime.h. */
#include "runtime.h"

uint64_t wasm_native_base;
const uint64_t *wasm_native_pages = &wasm_memory_pages;
