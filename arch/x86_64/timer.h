/* The boot side of timer.c. Contract: arch/timer.h. */
#ifndef X86_64_TIMER_H
#define X86_64_TIMER_H

#include "calibrate.h"

/* The local APIC is on. After this arch_timer_set works. */
void timer_start(struct clock_rates rates);

#endif
