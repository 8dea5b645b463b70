/* The functions that the compiler calls by itself (memcmp is in text.c: programs have the other three from the
 * translator's run-time support). Bytes are moved by words where both sides allow it. */
#include "tessera/text.h"

#if defined(__x86_64__)

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    void *at = to;
    size_t words = bytes / 8;
    __asm__ volatile("rep movsq" : "+D"(at), "+S"(from), "+c"(words) : : "memory");
    bytes %= 8;
    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(bytes) : : "memory");
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    void *at = to;
    uint64_t pattern = (uint8_t)value * 0x0101010101010101ul;
    size_t words = bytes / 8;
    __asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(pattern) : "memory");
    bytes %= 8;
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(pattern) : "memory");
    return to;
}

#else

typedef uint64_t __attribute__((may_alias, aligned(1))) loose_word;

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    uint8_t *out = to;
    const uint8_t *in = from;
    for (; bytes >= 64; bytes -= 64) { /* in pairs, which the compiler does not make of words that may alias */
        uint64_t a, b, c, d, e, f, g, h;
        __asm__ volatile(
            "ldp %2, %3, [%1], #64\n ldp %4, %5, [%1, #-48]\n ldp %6, %7, [%1, #-32]\n ldp %8, %9, [%1, #-16]\n"
            "stp %2, %3, [%0], #64\n stp %4, %5, [%0, #-48]\n stp %6, %7, [%0, #-32]\n stp %8, %9, [%0, #-16]"
            : "+r"(out), "+r"(in), "=&r"(a), "=&r"(b), "=&r"(c), "=&r"(d), "=&r"(e), "=&r"(f), "=&r"(g), "=&r"(h)
            :
            : "memory");
    }
    for (; bytes >= 8; bytes -= 8, out += 8, in += 8)
        *(loose_word *)out = *(const loose_word *)in;
    while (bytes-- > 0) {
        *out++ = *in++;
        __asm__ volatile("" : : : "memory"); /* or the compiler makes this loop a call of memcpy */
    }
    return to;
}

/* DC ZVA clears a block of cache lines at a time where the kernel lets user mode (DCZID_EL0.DZP = 0); most of what is
 * cleared is whole pages. Source: Arm ARM, DDI 0487, DCZID_EL0. */
static uint8_t *clear_blocks(uint8_t *out, size_t *bytes)
{
    uint64_t dczid;
    __asm__("mrs %0, dczid_el0" : "=r"(dczid));
    size_t block = 4ul << (dczid & 15);
    if ((dczid & 16) || *bytes < 2 * block || ((uintptr_t)out & (block - 1)))
        return out;
    for (; *bytes >= block; out += block, *bytes -= block)
        __asm__ volatile("dc zva, %0" : : "r"(out) : "memory");
    return out;
}

void *memset(void *to, int value, size_t bytes)
{
    uint8_t *out = to;
    uint64_t pattern = (uint8_t)value * 0x0101010101010101ul;
    if (value == 0)
        out = clear_blocks(out, &bytes);
    for (; bytes >= 32; bytes -= 32, out += 32)
        for (int i = 0; i < 4; i++)
            ((loose_word *)out)[i] = pattern;
    while (bytes-- > 0) {
        *out++ = (uint8_t)value;
        __asm__ volatile("" : : : "memory");
    }
    return to;
}

#endif

typedef uint64_t __attribute__((may_alias, aligned(1))) moved_word;

/* A word is read before it is written, and a word later only then: right for overlaps in its direction. memcpy is not:
 * its `restrict` lets the compiler exchange them. */
void *memmove(void *to, const void *from, size_t bytes)
{
    uint8_t *out = to;
    const uint8_t *in = from;
    if (out >= in + bytes || in >= out + bytes)
        return memcpy(to, from, bytes);
    if (out > in) {
        for (; bytes >= 8; bytes -= 8) {
            *(moved_word *)(out + bytes - 8) = *(const moved_word *)(in + bytes - 8);
            __asm__ volatile("" : : : "memory");
        }
        while (bytes-- > 0) {
            out[bytes] = in[bytes];
            __asm__ volatile("" : : : "memory");
        }
        return to;
    }
    for (; bytes >= 8; bytes -= 8, out += 8, in += 8) {
        *(moved_word *)out = *(const moved_word *)in;
        __asm__ volatile("" : : : "memory");
    }
    for (; bytes > 0; bytes--) {
        *out++ = *in++;
        __asm__ volatile("" : : : "memory");
    }
    return to;
}
