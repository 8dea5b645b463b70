/* memory.grow for the first memory, when it is not shared. */
#include "runtime.h"
#include "wasm_runtime.h"

int64_t wasm_memory_grow(uint64_t delta, uint64_t maximum)
{
    uint64_t pages = wasm_memory_pages;
    if (delta > maximum - pages)
        return -1;
    if (delta > 0 && wasm_platform_memory_grow(delta) < 0)
        return -1;
    wasm_memory_pages = pages + delta;
    return (int64_t)pages;
}
