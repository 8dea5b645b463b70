/* arm64: the machine's part of struct core, which TPIDR_EL1 points to. What must be here: arch/core.h. */
#ifndef MACHINE_CORE_H
#define MACHINE_CORE_H

#include <machine/context.h>

struct debug_state;

struct arch_core {
    uint64_t
        stack_top; /* of the kernel stack; SP_EL1 itself is the running thread's context while outside the kernel */
    struct debug_state *debug;   /* the running thread's, if its breakpoints are loaded (debug.c) */
    uint64_t private_interrupts; /* where the registers of interrupts 0..31 are: the distributor, or its SGI frame */
};
_Static_assert(CORE_ARCH + offsetof(struct arch_core, stack_top) == CORE_STACK_TOP, "entry.S");

#endif
