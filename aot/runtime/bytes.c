/* memcpy, memmove, memset: 16 bytes at a time with unaligned vector accesses, so that a kilobyte costs some hundred
 * instructions on both machines (an emulator counts a `rep movsb` per byte). What is no multiple of the step is covered
 * by accesses that overlap, so that no size costs a loop over bytes. Compiled so that gcc does not turn the loops back
 * into calls of the same functions. */
#include "wasm_runtime.h"

typedef uint8_t block __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t word __attribute__((aligned(1), may_alias));
typedef uint32_t half __attribute__((aligned(1), may_alias));
typedef uint16_t quarter __attribute__((aligned(1), may_alias));

/* The first and the last of a size between one and two steps; loads come before stores. */
#define COPY_ENDS(type)                                                                                                \
    do {                                                                                                               \
        type first = *(const type *)from, last = *(const type *)(from + size - sizeof(type));                          \
        *(type *)to = first;                                                                                           \
        *(type *)(to + size - sizeof(type)) = last;                                                                    \
    } while (0)

struct blocks {
    block a, b, c, d;
};

static inline struct blocks blocks_load(const uint8_t *from)
{
    return (struct blocks){*(const block *)from, *(const block *)(from + 16), *(const block *)(from + 32),
                           *(const block *)(from + 48)};
}

static inline void blocks_store(uint8_t *to, struct blocks blocks)
{
    *(block *)to = blocks.a, *(block *)(to + 16) = blocks.b;
    *(block *)(to + 32) = blocks.c, *(block *)(to + 48) = blocks.d;
}

/* At most 64 bytes, which may overlap. */
static inline void copy_short(uint8_t *to, const uint8_t *from, size_t size)
{
    if (size > 32) {
        block a = *(const block *)from, b = *(const block *)(from + 16);
        block c = *(const block *)(from + size - 32), d = *(const block *)(from + size - 16);
        *(block *)to = a, *(block *)(to + 16) = b;
        *(block *)(to + size - 32) = c, *(block *)(to + size - 16) = d;
    } else if (size >= 16) {
        COPY_ENDS(block);
    } else if (size >= 8) {
        COPY_ENDS(word);
    } else if (size >= 4) {
        COPY_ENDS(half);
    } else if (size >= 2) {
        COPY_ENDS(quarter);
    } else if (size == 1) {
        *to = *from;
    }
}

/* More than 64 bytes, to a lower address or without overlap. The end is loaded before it may be overwritten. */
static void copy_up(uint8_t *to, const uint8_t *from, size_t size)
{
    uint8_t *end = to + size - 64;
    struct blocks last = blocks_load(from + size - 64);
    for (; to < end; to += 64, from += 64)
        blocks_store(to, blocks_load(from));
    blocks_store(end, last);
}

/* More than 64 bytes, to a higher address. */
static void copy_down(uint8_t *to, const uint8_t *from, size_t size)
{
    struct blocks first = blocks_load(from);
    for (; size > 64; size -= 64)
        blocks_store(to + size - 64, blocks_load(from + size - 64));
    blocks_store(to, first);
}

void *memmove(void *to, const void *from, size_t size)
{
    if (size <= 64)
        copy_short(to, from, size);
    else if ((uintptr_t)to - (uintptr_t)from >= size)
        copy_up(to, from, size);
    else
        copy_down(to, from, size);
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    if (size <= 64)
        copy_short(to, from, size);
    else
        copy_up(to, from, size);
    return to;
}

void *memset(void *to, int value, size_t size)
{
    uint8_t *next = to;
    block bytes = (block){0} + (uint8_t)value;
    word bits = 0x0101010101010101u * (uint8_t)value;
    if (size >= 16) {
        for (; size > 64; size -= 64, next += 64)
            blocks_store(next, (struct blocks){bytes, bytes, bytes, bytes});
        uint8_t *end = next + size - 16;
        for (; next < end; next += 16)
            *(block *)next = bytes;
        *(block *)end = bytes;
    } else if (size >= 8) {
        *(word *)next = bits, *(word *)(next + size - 8) = bits;
    } else if (size >= 4) {
        *(half *)next = (half)bits, *(half *)(next + size - 4) = (half)bits;
    } else {
        for (; size > 0; size--)
            *next++ = (uint8_t)value;
    }
    return to;
}
