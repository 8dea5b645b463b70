/* See checksum.h. Words of eight bytes are added with the carry going round, as the sum of 16-bit words would: the
 * order of a word's bytes and its size do not matter to it (RFC 1071, 2).
 */
#include "checksum.h"

typedef uint64_t __attribute__((may_alias, aligned(1))) loose_64;
typedef uint32_t __attribute__((may_alias, aligned(1))) loose_32;
typedef uint16_t __attribute__((may_alias, aligned(1))) loose_16;

static uint64_t add(uint64_t sum, uint64_t value)
{
    return __builtin_add_overflow(sum, value, &sum) ? sum + 1 : sum;
}

/* 64 bytes: the compiler makes no chain of carries by itself. */
static inline uint64_t add_block(uint64_t sum, const uint8_t *from)
{
#if defined(__x86_64__)
    __asm__("addq (%1), %0\n\tadcq 8(%1), %0\n\tadcq 16(%1), %0\n\tadcq 24(%1), %0\n\tadcq 32(%1), %0\n\t"
            "adcq 40(%1), %0\n\tadcq 48(%1), %0\n\tadcq 56(%1), %0\n\tadcq $0, %0"
            : "+r"(sum)
            : "r"(from), "m"(*(const uint8_t(*)[64])from)
            : "cc");
#elif defined(__aarch64__)
    uint64_t a, b, c, d, e, f, g, h;
    __asm__("ldp %1, %2, [%9]\n\tldp %3, %4, [%9, #16]\n\tldp %5, %6, [%9, #32]\n\tldp %7, %8, [%9, #48]\n\t"
            "adds %0, %0, %1\n\tadcs %0, %0, %2\n\tadcs %0, %0, %3\n\tadcs %0, %0, %4\n\tadcs %0, %0, %5\n\t"
            "adcs %0, %0, %6\n\tadcs %0, %0, %7\n\tadcs %0, %0, %8\n\tadc %0, %0, xzr"
            : "+&r"(sum), "=&r"(a), "=&r"(b), "=&r"(c), "=&r"(d), "=&r"(e), "=&r"(f), "=&r"(g), "=&r"(h)
            : "r"(from), "m"(*(const uint8_t(*)[64])from)
            : "cc");
#else
#error "an architecture without its own sum"
#endif
    return sum;
}

uint16_t checksum_sum(const void *bytes, int count)
{
    const uint8_t *from = bytes;
    uint64_t sum = 0;
    for (; count >= 64; count -= 64, from += 64)
        sum = add_block(sum, from);
    for (; count >= 8; count -= 8, from += 8)
        sum = add(sum, *(const loose_64 *)from);
    if (count & 4) {
        sum = add(sum, *(const loose_32 *)from);
        from += 4;
    }
    if (count & 2) {
        sum = add(sum, *(const loose_16 *)from);
        from += 2;
    }
    if (count & 1)
        sum = add(sum, *from);
    sum = (sum >> 32) + (uint32_t)sum;
    sum = (sum >> 32) + (uint32_t)sum;
    sum = (sum >> 16) + (uint16_t)sum;
    sum = (sum >> 16) + (uint16_t)sum;
    return (uint16_t)((sum >> 16) + (uint16_t)sum);
}
