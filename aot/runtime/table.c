/* Tables in bulk. */
#include "wasm_runtime.h"

int64_t wasm_table_grow(void **entries, uint32_t *size, uint64_t capacity, void *value, uint64_t delta)
{
    uint32_t before = *size;
    if (delta > capacity - before)
        return -1;
    for (uint64_t i = 0; i < delta; i++)
        entries[before + i] = value;
    *size = before + (uint32_t)delta;
    return before;
}

uint32_t wasm_table_fill(void **entries, void *value, uint64_t size, uint64_t to, uint64_t count)
{
    if (to > size || count > size - to)
        return 0;
    for (uint64_t i = 0; i < count; i++)
        entries[to + i] = value;
    return 1;
}

uint32_t wasm_table_copy(void **entries, void *const *source, uint64_t size, uint64_t source_size, uint64_t to,
                         uint64_t from, uint64_t count)
{
    if (to > size || count > size - to || from > source_size || count > source_size - from)
        return 0;
    memmove(entries + to, source + from, count * sizeof *entries);
    return 1;
}
