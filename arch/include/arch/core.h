/* The arch contract, 3: the per-core structure.
 *
 * struct core (kernel/core.h) has at fixed places
 *
 *     offset 0   struct arch_context *current_context     == core->current, the running thread
 *     offset 112 struct arch_core arch                    the machine's own part (kernel stack top, scratch slots, ...)
 *
 * Both offsets are asserted there. The machine reaches it through GS base / TPIDR_EL1. kernel_cores[0] is the boot
 * core; machine boot code sets GS base / TPIDR_EL1 to it before kernel_boot.
 */
#ifndef ARCH_CORE_H
#define ARCH_CORE_H

#include <arch/types.h>

#define CORE_CONTEXT 0
#define CORE_ARCH    112

#include <machine/core.h>
/* <machine/core.h> defines struct arch_core, at most 240 bytes. */

struct core;
#define CORE_COUNT_MAX 1 /* the one-core build */
/* sched/core_block.h declares kernel_cores[CORE_COUNT_MAX], each beginning with its struct core; boot assembler code
 * names it. */
/* the arch part of a core, for machine code that does not include kernel/core.h */
static inline struct arch_core *core_arch(struct core *core)
{
    return (struct arch_core *)((char *)core + CORE_ARCH);
}

#endif
