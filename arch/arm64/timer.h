/* The generic timer, as the rest of arch/arm64 uses it. */
#ifndef ARM64_TIMER_H
#define ARM64_TIMER_H

#include <stdint.h>

/* Enabled with no deadline; user level may read the counter. */
void timer_start(void);

/* No deadline: takes the interrupt line back before the interrupt is ended. */
void timer_quiet(void);

uint64_t timer_hz(void); /* 0: the firmware has not set it */

/* ns = ticks * *multiplier >> the result; timer_hz() is not 0. */
uint32_t timer_scale(uint64_t *multiplier);

#endif
