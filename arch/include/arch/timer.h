/* The arch contract, 6: the clock and the one-shot timer of this core.
 *
 * Ticks are those of TSC / CNTVCT, 64 bits, from boot; struct platform gives their rate.
 */
#ifndef ARCH_TIMER_H
#define ARCH_TIMER_H

#include <arch/types.h>

struct core;

#include <machine/timer.h>
/* <machine/timer.h> defines: static inline uint64_t arch_timer_now(void) */

#define ARCH_TIMER_NEVER UINT64_MAX

/* One interrupt (kernel_timer) at or soon after `deadline`; one in the past fires at once; replaces the earlier one;
 * ARCH_TIMER_NEVER stops it. It may fire early (a deadline beyond the hardware's reach): portable code then sets it
 * again. */
void arch_timer_set(struct core *core, uint64_t deadline);

#endif
