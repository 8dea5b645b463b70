/* x86-64: the machine's part of struct core. What must be here: arch/core.h. */
#ifndef MACHINE_CORE_H
#define MACHINE_CORE_H

#include <machine/context.h>

struct debug_state;

struct arch_core {
    struct core *self;
    uint64_t stack_top;        /* of the kernel stack */
    uint64_t scratch;          /* user rsp while SYSCALL entry has no register to spare */
    struct debug_state *debug; /* the running thread's, if its breakpoints are loaded (debug.c) */
};
_Static_assert(CORE_ARCH + offsetof(struct arch_core, self) == CORE_GS_SELF, "entry.S");
_Static_assert(CORE_ARCH + offsetof(struct arch_core, stack_top) == CORE_GS_STACK, "entry.S");
_Static_assert(CORE_ARCH + offsetof(struct arch_core, scratch) == CORE_GS_SCRATCH, "entry.S");

#endif
