/* arm64: the clock is the virtual count of the generic timer. What must be here: arch/timer.h. */
#ifndef MACHINE_TIMER_H
#define MACHINE_TIMER_H

/* Without an ISB the CPU may read early by some instructions; the scheduler's resolution is far coarser. */
static inline uint64_t arch_timer_now(void)
{
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
}

#endif
