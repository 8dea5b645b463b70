/* What generated code calls. The translator declares these itself (aot/lower): keep both in step. */
#ifndef RUNTIME_WASM_RUNTIME_H
#define RUNTIME_WASM_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

/* The old size in pages, or -1. */
int64_t wasm_memory_grow(uint64_t delta, uint64_t maximum);
int64_t wasm_region_grow(uint64_t delta, uint64_t maximum, uint64_t *pages, uint64_t base);
int64_t wasm_shared_grow(uint64_t delta, uint64_t maximum, uint64_t *pages, uint64_t base);

/* The old size in entries, or -1; new entries are `value`. */
int64_t wasm_table_grow(void **entries, uint32_t *size, uint64_t capacity, void *value, uint64_t delta);
/* 0: out of bounds, and nothing was written. */
uint32_t wasm_table_fill(void **entries, void *value, uint64_t size, uint64_t to, uint64_t count);
uint32_t wasm_table_copy(void **entries, void *const *source, uint64_t size, uint64_t source_size, uint64_t to,
                         uint64_t from, uint64_t count);

/* 0, -0, 1, -1: constants that LLVM must not see (aot/lower/float.c). */
extern const float wasm_float_constants[4];
extern const double wasm_double_constants[4];

/* What LLVM's code generator calls. Address 0 is memory like any other. */
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);

#endif
