/* The three functions that the compiler itself calls. Not used on the paths that are to be fast. */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memset(void *start, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);

/* The loops below must not become calls of themselves. */
#pragma GCC optimize("no-tree-loop-distribute-patterns")

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    if ((((uintptr_t)t | (uintptr_t)f) & 7) == 0)
        for (; bytes >= 8; bytes -= 8, t += 8, f += 8)
            *(uint64_t *)(void *)t = *(const uint64_t *)(const void *)f;
    while (bytes-- > 0)
        *t++ = *f++;
    return to;
}

void *memset(void *start, int value, size_t bytes)
{
    uint8_t *t = start;
    if (((uintptr_t)t & 7) == 0)
        for (; bytes >= 8; bytes -= 8, t += 8)
            *(uint64_t *)(void *)t = (uint8_t)value * 0x0101010101010101ul;
    while (bytes-- > 0)
        *t++ = (uint8_t)value;
    return start;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
    const uint8_t *x = a, *y = b;
    for (; bytes > 0; bytes--, x++, y++)
        if (*x != *y)
            return *x < *y ? -1 : 1;
    return 0;
}
