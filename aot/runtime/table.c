/* Tables in bulk. */
#include "wasm_runtime.h"

int32_t wasm_table_grow(void **entries, uint32_t *size, uint64_t capacity, void *value, uint32_t delta)
{
    uint32_t before = *size;
    if (delta > capacity - before)
        return -1;
    for (uint32_t i = 0; i < delta; i++)
        entries[before + i] = value;
    *size = before + delta;
    return (int32_t)before;
}

uint32_t wasm_table_fill(void **entries, void *value, uint32_t size, uint32_t to, uint32_t count)
{
    if ((uint64_t)to + count > size)
        return 0;
    for (uint32_t i = 0; i < count; i++)
        entries[to + i] = value;
    return 1;
}

uint32_t wasm_table_copy(void **entries, void *const *source, uint32_t size, uint32_t source_size, uint32_t to,
                         uint32_t from, uint32_t count)
{
    if ((uint64_t)to + count > size || (uint64_t)from + count > source_size)
        return 0;
    memmove(entries + to, source + from, (size_t)count * sizeof *entries);
    return 1;
}
