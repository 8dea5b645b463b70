/* The generic timer's virtual timer, one per core. See arch/timer.h and timer.h.
 *
 * It stays enabled; its compare value says all: a value that the counter never reaches is "never".
 * Source: Arm ARM DDI 0487, D12.2 (the generic timer), D19.12.15 to 19.12.17.
 */
#include "timer.h"
#include "instructions.h"

#include <arch/timer.h>

#define CNTV_CTL_ENABLE  1u
#define CNTKCTL_EL0VCTEN 2u /* EL0 may read CNTVCT_EL0 and CNTFRQ_EL0, nothing else */

void arch_timer_set(struct core *core, uint64_t deadline)
{
    (void)core;
    system_write(cntv_cval_el0, deadline);
}

void timer_start(void)
{
    system_write(cntv_cval_el0, ARCH_TIMER_NEVER);
    system_write(cntv_ctl_el0, CNTV_CTL_ENABLE);
    system_write(cntkctl_el1, CNTKCTL_EL0VCTEN);
    instruction_barrier();
}

void timer_quiet(void)
{
    system_write(cntv_cval_el0, ARCH_TIMER_NEVER);
    instruction_barrier();
}

#define NS_PER_SECOND 1000000000ul
#define SCALE_SHIFT   32

uint64_t timer_hz(void)
{
    return system_read(cntfrq_el0);
}

uint32_t timer_scale(uint64_t *multiplier)
{
    *multiplier = (NS_PER_SECOND << SCALE_SHIFT) / timer_hz();
    return SCALE_SHIFT;
}
