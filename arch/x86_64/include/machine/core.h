/* x86-64: the machine's part of struct core. What must be here: arch/core.h. */
#ifndef MACHINE_CORE_H
#define MACHINE_CORE_H

#include <machine/context.h>

struct debug_state;

#define GDT_ENTRIES 7

/* Source: Intel SDM vol. 3, 7.7. */
struct __attribute__((packed)) task_state {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map;
};
_Static_assert(sizeof(struct task_state) == 104, "64-bit TSS");

struct arch_core {
    struct core *self;
    uint64_t stack_top;        /* of the kernel stack */
    uint64_t scratch;          /* user rsp while SYSCALL entry has no register to spare */
    struct debug_state *debug; /* the running thread's, if its breakpoints are loaded (debug.c) */
    uint64_t gdt[GDT_ENTRIES]; /* its last descriptor is that of: */
    struct task_state task_state;
};
_Static_assert(CORE_ARCH + offsetof(struct arch_core, self) == CORE_GS_SELF, "entry.S");
_Static_assert(CORE_ARCH + offsetof(struct arch_core, stack_top) == CORE_GS_STACK, "entry.S");
_Static_assert(CORE_ARCH + offsetof(struct arch_core, scratch) == CORE_GS_SCRATCH, "entry.S");

#endif
