/* Time in user mode: the timer's ticks and their conversion. */
#ifndef TESSERA_CLOCK_H
#define TESSERA_CLOCK_H

#include <stdint.h>

static inline uint64_t clock_ticks(void)
{
#if defined(__x86_64__)
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
#else
    uint64_t ticks;
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#endif
}

static inline uint64_t clock_ns(uint64_t ticks, uint64_t multiplier, uint32_t shift)
{
    return (uint64_t)((unsigned __int128)ticks * multiplier >> shift);
}

/* Ticks that take at least `ns`, saturating at what a deadline can hold. */
static inline uint64_t clock_ticks_of(uint64_t ns, uint64_t hz)
{
    uint64_t seconds = ns / 1000000000ul, rest = ns % 1000000000ul;
    if (seconds > (1ul << 62) / (hz + 1))
        return 1ul << 62;
    return seconds * hz + (rest * (hz / 1000) + 999999) / 1000000 + rest * (hz % 1000) / 1000000000ul + 1;
}

#endif
