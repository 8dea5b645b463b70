/* The one-shot timer: TSC deadline where the CPU has it, else the local APIC's count-down. Contract: arch/timer.h.
 * Source: Intel SDM vol. 3, 11.5.4 (timer; 11.5.4.1 TSC deadline).
 */
#include <arch/timer.h>
#include "timer.h"
#include "apic.h"
#include "cpu.h"
#include "irq.h"

#define COUNT_MAX 0xffffffffu

/* APIC counts in a TSC tick, as a fraction of 2^32; and the longest time that the counter can wait for. */
static uint64_t counts_per_tick, longest_ticks;

void timer_start(struct clock_rates rates)
{
    if (cpu.has_tsc_deadline) {
        apic_write(APIC_TIMER_ENTRY, APIC_TIMER_TSC_DEADLINE | VECTOR_TIMER);
        __asm__ volatile("mfence" : : : "memory"); /* the mode before the first deadline: SDM 11.5.4.1 */
        return;
    }
    counts_per_tick = (rates.apic_hz << 32) / rates.tsc_hz;
    longest_ticks = counts_per_tick == 0 ? 0 : ((uint64_t)COUNT_MAX << 32) / (counts_per_tick + 1);
    apic_write(APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
    apic_write(APIC_TIMER_ENTRY, VECTOR_TIMER);
}

static uint32_t count_until(uint64_t deadline)
{
    uint64_t now = arch_timer_now();
    if (deadline <= now)
        return 1;
    uint64_t ticks = deadline - now;
    if (ticks >= longest_ticks)
        return COUNT_MAX;
    return (uint32_t)((unsigned __int128)ticks * counts_per_tick >> 32) + 1;
}

/* A count or deadline of 0 stops the timer, also when that is long ago: so a deadline is odd. */
void arch_timer_set(struct core *core, uint64_t deadline)
{
    (void)core;
    if (cpu.has_tsc_deadline)
        msr_write(MSR_TSC_DEADLINE, deadline == ARCH_TIMER_NEVER ? 0 : deadline | 1);
    else
        apic_write(APIC_TIMER_START, deadline == ARCH_TIMER_NEVER ? 0 : count_until(deadline));
}
