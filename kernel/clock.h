/* Ticks and nanoseconds, without 128-bit division. */
#ifndef KERNEL_CLOCK_H
#define KERNEL_CLOCK_H

#include <kernel/core.h>

#define NS_PER_SECOND 1000000000ul
#define CLOCK_FOREVER (1ul << 62) /* ticks; longer times are cut to it */

static inline uint64_t clock_ticks(uint64_t ns)
{
    uint64_t seconds = ns / NS_PER_SECOND;
    if (seconds >= CLOCK_FOREVER / kernel.timer_hz)
        return CLOCK_FOREVER;
    return seconds * kernel.timer_hz + ns % NS_PER_SECOND * kernel.timer_hz / NS_PER_SECOND;
}

static inline uint64_t clock_ns(uint64_t ticks)
{
    uint64_t seconds = ticks / kernel.timer_hz;
    if (seconds >= UINT64_MAX / NS_PER_SECOND)
        return UINT64_MAX;
    return seconds * NS_PER_SECOND + ticks % kernel.timer_hz * NS_PER_SECOND / kernel.timer_hz;
}

#endif
