/* memory.grow for shared memories: one thread at a time. The new pages are mapped before others see the new size. */
#include "runtime.h"
#include "thread.h"
#include "wasm_runtime.h"

static struct wasm_lock lock;

int64_t wasm_shared_grow(uint64_t delta, uint64_t maximum, uint64_t *pages, uint64_t base)
{
    wasm_lock_take(&lock);
    uint64_t before = *pages;
    bool is_grown = delta <= maximum - before && (delta == 0 || wasm_platform_region_grow(base, before, delta) >= 0);
    if (is_grown)
        __atomic_store_n(pages, before + delta, __ATOMIC_SEQ_CST);
    wasm_lock_give(&lock);
    return is_grown ? (int64_t)before : -1;
}
