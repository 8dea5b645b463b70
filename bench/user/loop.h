/* The counter's check: a loop of two instructions must read 2.00 of it (docs/, "How we measure"). */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include "tessera/clock.h"

static inline uint64_t loop_ticks(uint64_t count)
{
    uint64_t before = clock_ticks();
#if defined(__x86_64__)
    __asm__ volatile("1: dec %0\n jnz 1b" : "+r"(count) : : "cc");
#else
    __asm__ volatile("1: subs %0, %0, #1\n b.ne 1b" : "+r"(count) : : "cc");
#endif
    return clock_ticks() - before;
}

/* Instructions per 100 rounds, from the timer's ticks: one instruction is one nanosecond of guest time. */
static inline uint64_t loop_hundredths(uint64_t hz)
{
    const uint64_t rounds = 1000000;
    uint64_t ns = (uint64_t)((unsigned __int128)loop_ticks(rounds) * 1000000000ul / hz);
    return (ns + rounds / 200) / (rounds / 100);
}

#endif
