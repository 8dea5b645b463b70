/* arm64: a thread's registers. What must be here: arch/thread.h. */
#ifndef MACHINE_THREAD_H
#define MACHINE_THREAD_H

#include <abi/message.h>
#include <machine/context.h>

/* x11..x18 are zero in a context that a system call saved: that is what the thread finds in them afterwards. */
struct arch_context {
    word x[31];
    word sp, pc, spsr;
    word tpidr; /* valid while the thread is not the current one */
} __attribute__((aligned(16)));
_Static_assert(offsetof(struct arch_context, x) == CONTEXT_X(0), "entry.S");
_Static_assert(offsetof(struct arch_context, sp) == CONTEXT_SP, "entry.S");
_Static_assert(offsetof(struct arch_context, pc) == CONTEXT_PC, "entry.S");
_Static_assert(offsetof(struct arch_context, spsr) == CONTEXT_SPSR, "entry.S");
_Static_assert(offsetof(struct arch_context, tpidr) == CONTEXT_TPIDR, "entry.S");
_Static_assert(sizeof(struct arch_context) == CONTEXT_BYTES, "entry.S");

struct arch_fpu {
    uint8_t q[32][16];
    uint64_t fpcr, fpsr;
} __attribute__((aligned(16)));

#define SYSCALL_INSTRUCTION_BYTES 4
#define CONTEXT_DESTINATION       8
#define CONTEXT_INFO              9
#define CONTEXT_STATUS            10

static inline word arch_context_destination(const struct arch_context *c)
{
    return c->x[CONTEXT_DESTINATION];
}

static inline word arch_context_info(const struct arch_context *c)
{
    return c->x[CONTEXT_INFO];
}

static inline word arch_context_mr(const struct arch_context *c, unsigned i)
{
    return c->x[i];
}

static inline void arch_context_set_mr(struct arch_context *c, unsigned i, word value)
{
    c->x[i] = value;
}

static inline void arch_context_set_info(struct arch_context *c, word value)
{
    c->x[CONTEXT_INFO] = value;
}

static inline void arch_context_set_badge(struct arch_context *c, word value)
{
    c->x[CONTEXT_DESTINATION] = value;
}

static inline void arch_context_set_status(struct arch_context *c, word value)
{
    c->x[CONTEXT_STATUS] = value;
}

/* Four pairs: one LDP and one STP each. */
static inline void arch_context_copy_message(struct arch_context *to, const struct arch_context *from)
{
    for (unsigned i = 0; i < MESSAGE_REGISTERS; i += 2) {
        word first = from->x[i], second = from->x[i + 1];
        to->x[i] = first;
        to->x[i + 1] = second;
    }
}

static inline word arch_context_pc(const struct arch_context *c)
{
    return c->pc;
}

static inline word arch_context_sp(const struct arch_context *c)
{
    return c->sp;
}

static inline word arch_context_flags(const struct arch_context *c)
{
    return c->spsr;
}

/* The number is in the instruction; entry code passes it on. */
static inline word arch_context_number(const struct arch_context *c)
{
    (void)c;
    return 0;
}

/* Any value: a misaligned one, or one in the kernel's half, faults when the thread runs, as a fault of EL0. */
static inline void arch_context_set_pc(struct arch_context *c, word value)
{
    c->pc = value;
}

static inline void arch_context_set_sp(struct arch_context *c, word value)
{
    c->sp = value;
}

static inline void arch_context_restart(struct arch_context *c)
{
    c->pc -= SYSCALL_INSTRUCTION_BYTES;
    c->spsr |= SPSR_STEP; /* it is no step yet */
}

static inline void arch_context_set_argument(struct arch_context *c, word value)
{
    c->x[0] = value;
}

/* The running thread's is in the CPU as well. */
static inline void arch_context_set_tls(struct arch_context *c, word value)
{
    struct arch_context *const *core;
    __asm__("mrs %0, tpidr_el1" : "=r"(core));
    c->tpidr = value;
    if (*core == c)
        __asm__ volatile("msr tpidr_el0, %0" : : "r"(value));
}

/* User code may write TPIDR_EL0, so it is read back. */
static inline void arch_context_switch(struct core *core, struct arch_context *from, struct arch_context *to)
{
    (void)core;
    __asm__ volatile("mrs %0, tpidr_el0" : "=r"(from->tpidr));
    __asm__ volatile("msr tpidr_el0, %0" : : "r"(to->tpidr));
}

/* CPACR_EL1.FPEN: trap EL0 only, or nothing; the kernel itself can always save and restore. Synchronised by the
 * exception return. */
#define CPACR_FPEN_KERNEL (1ul << 20)
#define CPACR_FPEN_ALL    (3ul << 20)
static inline void arch_fpu_enable(bool on)
{
    __asm__ volatile("msr cpacr_el1, %0" : : "r"(on ? CPACR_FPEN_ALL : CPACR_FPEN_KERNEL));
}

#endif
