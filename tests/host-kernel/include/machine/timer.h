/* Host model: the clock stands still until a test moves it. */
#ifndef MACHINE_TIMER_H
#define MACHINE_TIMER_H

extern uint64_t model_now;
static inline uint64_t arch_timer_now(void)
{
    return model_now;
}

#endif
