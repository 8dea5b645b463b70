/* All that belongs to one core, in one piece: struct core, which every layer sees, and the scheduler's objects that
 * each core has for itself. One more core is one more element of kernel_cores (and stacks, which its struct arch_core
 * names).
 */
#ifndef SCHED_CORE_BLOCK_H
#define SCHED_CORE_BLOCK_H

#include <sched/sched_context.h>

struct core_block {
    struct core core;            /* first: a pointer to it is one to the block */
    struct sched_context rescue; /* rescue.c */
    struct tcb idle;
};
extern struct core_block kernel_cores[CORE_COUNT_MAX];
_Static_assert(offsetof(struct core_block, core) == 0, "core_block_of relies on it");

static inline struct core_block *core_block_of(struct core *core)
{
    return (struct core_block *)core;
}

#endif
