/* memory.grow for the memories of a program beyond its first. A file of its own, so that programs of one memory need
 * nothing of the platform for it. */
#include "runtime.h"
#include "wasm_runtime.h"

int64_t wasm_region_grow(uint64_t delta, uint64_t maximum, uint64_t *pages, uint64_t base)
{
    uint64_t before = *pages;
    if (delta > maximum - before)
        return -1;
    if (delta > 0 && wasm_platform_region_grow(base, before, delta) < 0)
        return -1;
    *pages = before + delta;
    return (int64_t)before;
}
