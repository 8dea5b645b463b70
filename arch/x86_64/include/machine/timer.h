/* x86-64: the clock is the time-stamp counter. What must be here: arch/timer.h. */
#ifndef MACHINE_TIMER_H
#define MACHINE_TIMER_H

#include <stdint.h>

static inline uint64_t arch_timer_now(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

#endif
