/* x86-64: a thread's registers. What must be here: arch/thread.h. */
#ifndef MACHINE_THREAD_H
#define MACHINE_THREAD_H

#include <abi/message.h>
#include <machine/context.h>

/* They leave every general register alone: the fast path has messages in them (machine/fastpath.h). */
#define ARCH_FPU_FUNCTION __attribute__((no_caller_saved_registers))

struct arch_context {
    word rip, rsp, rflags, trap;
    word rax, rdi, rsi, rbp, r15;
    word message[MESSAGE_REGISTERS]; /* rdx r10 r8 r9 rbx r12 r13 r14 */
    word rcx, r11;                   /* valid unless trap is TRAP_SYSCALL */
    word fs_base, gs_base;           /* valid while the thread is not the current one */
} __attribute__((aligned(16)));
_Static_assert(offsetof(struct arch_context, rip) == CONTEXT_RIP, "entry.S");
_Static_assert(offsetof(struct arch_context, rsp) == CONTEXT_RSP, "entry.S");
_Static_assert(offsetof(struct arch_context, rflags) == CONTEXT_RFLAGS, "entry.S");
_Static_assert(offsetof(struct arch_context, trap) == CONTEXT_TRAP, "entry.S");
_Static_assert(offsetof(struct arch_context, rax) == CONTEXT_RAX, "entry.S");
_Static_assert(offsetof(struct arch_context, rdi) == CONTEXT_RDI, "entry.S");
_Static_assert(offsetof(struct arch_context, rsi) == CONTEXT_RSI, "entry.S");
_Static_assert(offsetof(struct arch_context, rbp) == CONTEXT_RBP, "entry.S");
_Static_assert(offsetof(struct arch_context, r15) == CONTEXT_R15, "entry.S");
_Static_assert(offsetof(struct arch_context, message) == CONTEXT_WORDS, "entry.S");
_Static_assert(offsetof(struct arch_context, rcx) == CONTEXT_RCX, "entry.S");
_Static_assert(offsetof(struct arch_context, r11) == CONTEXT_R11, "entry.S");

/* XSAVE area for x87, SSE and AVX: 512 + 64 + 256 bytes. An XSTATE_BV of zero restores the initial state. */
struct arch_fpu {
    uint8_t area[832];
} __attribute__((aligned(64)));

#define SYSCALL_INSTRUCTION_BYTES 2
#define CR0_TASK_SWITCHED         8u

static inline word arch_context_destination(const struct arch_context *c)
{
    return c->rdi;
}

static inline word arch_context_info(const struct arch_context *c)
{
    return c->rsi;
}

static inline word arch_context_mr(const struct arch_context *c, unsigned i)
{
    return c->message[i];
}

static inline void arch_context_set_mr(struct arch_context *c, unsigned i, word value)
{
    c->message[i] = value;
}

static inline void arch_context_set_info(struct arch_context *c, word value)
{
    c->rsi = value;
}

static inline void arch_context_set_badge(struct arch_context *c, word value)
{
    c->rdi = value;
}

static inline void arch_context_set_status(struct arch_context *c, word value)
{
    c->rax = value;
}

static inline void arch_context_copy_message(struct arch_context *to, const struct arch_context *from)
{
#pragma GCC unroll 4
    for (unsigned i = 0; i < MESSAGE_REGISTERS; i += 2) {
        word first = from->message[i], second = from->message[i + 1];
        to->message[i] = first;
        to->message[i + 1] = second;
        __asm__ volatile("" : : : "memory"); /* two registers are enough */
    }
}

static inline word arch_context_pc(const struct arch_context *c)
{
    return c->rip;
}

static inline word arch_context_sp(const struct arch_context *c)
{
    return c->rsp;
}

static inline word arch_context_flags(const struct arch_context *c)
{
    return c->rflags;
}

static inline word arch_context_number(const struct arch_context *c)
{
    return c->rax;
}

/* Made canonical: else SYSRET, IRET and WRFSBASE would fault in kernel mode. One in the kernel's half faults in user
 * mode, as soon as it is used. */
static inline word context_safe_address(word address)
{
    return (word)((int64_t)(address << 16) >> 16);
}

static inline void arch_context_set_pc(struct arch_context *c, word value)
{
    c->rip = context_safe_address(value);
}

static inline void arch_context_set_sp(struct arch_context *c, word value)
{
    c->rsp = value;
}

static inline void arch_context_restart(struct arch_context *c)
{
    c->rip -= SYSCALL_INSTRUCTION_BYTES;
}

static inline void arch_context_set_argument(struct arch_context *c, word value)
{
    c->rdi = value;
}

static inline void arch_context_set_tls(struct arch_context *c, word value)
{
    c->fs_base = context_safe_address(value);
}

/* For the running thread, whose FS base is in the CPU. */
static inline void arch_context_load_tls(const struct arch_context *c)
{
    __asm__ volatile("wrfsbase %0" : : "r"(c->fs_base));
}

/* The user's FS base, and its GS base, which waits in the swapped register while the kernel runs. User code may change
 * both with WRFSBASE and WRGSBASE, so both are read back. */
static inline void arch_context_switch(struct core *core, struct arch_context *from, struct arch_context *to)
{
    (void)core;
    __asm__ volatile("rdfsbase %0" : "=r"(from->fs_base));
    __asm__ volatile("wrfsbase %0" : : "r"(to->fs_base));
    __asm__ volatile("swapgs\n"
                     "rdgsbase %0\n"
                     "wrgsbase %1\n"
                     "swapgs"
                     : "=&r"(from->gs_base)
                     : "r"(to->gs_base));
}

/* CR0.TS makes every FP/SIMD instruction a #NM, which is the user exception that an unflagged thread gets. */
static inline void arch_fpu_enable(bool on)
{
    uint64_t cr0;
    if (on) {
        __asm__ volatile("clts");
        return;
    }
    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    __asm__ volatile("mov %0, %%cr0" : : "r"(cr0 | CR0_TASK_SWITCHED));
}

#endif
