/* memcpy, memmove, memset: 16 bytes at a time with unaligned vector accesses, so that a kilobyte costs some hundred
 * instructions on both machines (an emulator counts a `rep movsb` per byte). Compiled so that gcc does not turn the
 * loops back into calls of the same functions. */
#include "wasm_runtime.h"

typedef uint8_t block __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t word __attribute__((aligned(1), may_alias));

static void *copy_up(uint8_t *to, const uint8_t *from, size_t size)
{
    uint8_t *start = to;
    for (; size >= 64; size -= 64, to += 64, from += 64) {
        block a = *(const block *)from, b = *(const block *)(from + 16);
        block c = *(const block *)(from + 32), d = *(const block *)(from + 48);
        *(block *)to = a, *(block *)(to + 16) = b, *(block *)(to + 32) = c, *(block *)(to + 48) = d;
    }
    for (; size >= 16; size -= 16, to += 16, from += 16)
        *(block *)to = *(const block *)from;
    for (; size > 0; size--)
        *to++ = *from++;
    return start;
}

static void *copy_down(uint8_t *to, const uint8_t *from, size_t size)
{
    for (; size >= 64; size -= 64) {
        const uint8_t *end = from + size;
        block a = *(const block *)(end - 16), b = *(const block *)(end - 32);
        block c = *(const block *)(end - 48), d = *(const block *)(end - 64);
        *(block *)(to + size - 16) = a, *(block *)(to + size - 32) = b;
        *(block *)(to + size - 48) = c, *(block *)(to + size - 64) = d;
    }
    for (; size >= 16; size -= 16)
        *(block *)(to + size - 16) = *(const block *)(from + size - 16);
    for (; size > 0; size--)
        to[size - 1] = from[size - 1];
    return to;
}

/* Short ones need no loop: two overlapping words cover 8 to 16 bytes. Loads come before stores. */
static int copy_short(uint8_t *to, const uint8_t *from, size_t size)
{
    if (size < 8 || size > 16)
        return 0;
    word first = *(const word *)from, last = *(const word *)(from + size - 8);
    *(word *)to = first;
    *(word *)(to + size - 8) = last;
    return 1;
}

void *memmove(void *to, const void *from, size_t size)
{
    if (copy_short(to, from, size))
        return to;
    return (uintptr_t)to - (uintptr_t)from >= size ? copy_up(to, from, size) : copy_down(to, from, size);
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    return copy_short(to, from, size) ? to : copy_up(to, from, size);
}

void *memset(void *to, int value, size_t size)
{
    uint8_t *next = to;
    block bytes = (block){0} + (uint8_t)value;
    for (; size >= 64; size -= 64, next += 64)
        *(block *)next = bytes, *(block *)(next + 16) = bytes, *(block *)(next + 32) = bytes,
                *(block *)(next + 48) = bytes;
    for (; size >= 16; size -= 16, next += 16)
        *(block *)next = bytes;
    for (; size > 0; size--)
        *next++ = (uint8_t)value;
    return to;
}
