/* arm64: how ipc/fastpath.c begins and ends. What must be here: arch/fastpath.h. The labels are in entry.S. */
#ifndef MACHINE_FASTPATH_H
#define MACHINE_FASTPATH_H

#define FASTPATH_INLINE static inline __attribute__((always_inline))

typedef struct core *fastpath_core;

struct fastpath_entry {
    fastpath_core core;
    struct tcb *tcb;
    struct slot *slot, *reply_slot;
};

FASTPATH_INLINE fastpath_core arch_fastpath_core(void)
{
    struct core *core;
    __asm__ volatile("mrs %0, tpidr_el1" : "=r"(core));
    return core;
}

FASTPATH_INLINE struct core *arch_fastpath_core_pointer(void)
{
    return arch_fastpath_core();
}

FASTPATH_INLINE struct fastpath_entry arch_fastpath_entry(void)
{
    register struct core *x9 __asm__("x9");
    register struct tcb *x28 __asm__("x28");
    register struct slot *x20 __asm__("x20");
    __asm__ volatile("" : "=r"(x9), "=r"(x28), "=r"(x20) : : "memory");
    return (struct fastpath_entry){x9, x28, x20, NULL};
}

FASTPATH_INLINE struct fastpath_entry arch_fastpath_reply_entry(void)
{
    register struct core *x9 __asm__("x9");
    register struct tcb *x28 __asm__("x28");
    register struct slot *x20 __asm__("x20");
    register struct slot *x21 __asm__("x21");
    __asm__ volatile("" : "=r"(x9), "=r"(x28), "=r"(x20), "=r"(x21) : : "memory");
    return (struct fastpath_entry){x9, x28, x20, x21};
}

FASTPATH_INLINE void arch_fastpath_save_message(struct arch_context *c)
{
    __asm__ volatile("stp x0, x1, [%0]\n\t"
                     "stp x2, x3, [%0, #16]\n\t"
                     "stp x4, x5, [%0, #32]\n\t"
                     "stp x6, x7, [%0, #48]"
                     :
                     : "r"(c)
                     : "memory");
}
_Static_assert(offsetof(struct arch_context, x) == 0, "arch_fastpath_save_message");

/* Four words at a time. */
FASTPATH_INLINE void arch_fastpath_copy_words(struct ipc_buffer *to, const struct ipc_buffer *from, word length)
{
    const word *end = (const word *)from + length;
    word a, b, c, d;
    to = (struct ipc_buffer *)((word *)to + MESSAGE_REGISTERS);
    from = (const struct ipc_buffer *)((const word *)from + MESSAGE_REGISTERS);
    __asm__ volatile("1: ldp %2, %3, [%1], #16\n\t"
                     "ldp %4, %5, [%1], #16\n\t"
                     "stp %2, %3, [%0], #16\n\t"
                     "stp %4, %5, [%0], #16\n\t"
                     "cmp %1, %6\n\t"
                     "b.lo 1b"
                     : "+r"(to), "+r"(from), "=&r"(a), "=&r"(b), "=&r"(c), "=&r"(d)
                     : "r"(end)
                     : "memory", "cc");
}

FASTPATH_INLINE bool arch_fastpath_can_load(const struct arch_space *space)
{
    return (space->ttbr & TTBR_SHARED) == 0;
}

FASTPATH_INLINE void arch_fastpath_load(const struct arch_space *space)
{
    __asm__ volatile("msr ttbr0_el1, %0" : : "r"(space->ttbr) : "memory");
}

/* entry.S has them for an address in another register than x0. */
FASTPATH_INLINE void arch_fastpath_fpu_save(struct arch_fpu *fpu)
{
    register struct arch_fpu *x20 __asm__("x20") = fpu;
    __asm__ volatile("bl fastpath_fpu_save" : "+r"(x20) : : "x21", "x22", "x30", "memory");
}

FASTPATH_INLINE void arch_fastpath_fpu_restore(const struct arch_fpu *fpu)
{
    register const struct arch_fpu *x20 __asm__("x20") = fpu;
    __asm__ volatile("bl fastpath_fpu_restore" : "+r"(x20) : : "x21", "x22", "x30", "memory");
}

FASTPATH_INLINE _Noreturn void arch_fastpath_abandon(void)
{
    __asm__ volatile("b fastpath_abandon");
    __builtin_unreachable();
}

FASTPATH_INLINE _Noreturn void arch_fastpath_invoke(struct slot *slot)
{
    register struct slot *x19 __asm__("x19") = slot;
    __asm__ volatile("b fastpath_invoke" : : "r"(x19) : "memory");
    __builtin_unreachable();
}

FASTPATH_INLINE _Noreturn void arch_fastpath_leave(const struct arch_context *to, word badge, word info)
{
    register word x8 __asm__("x8") = badge;
    register word x9 __asm__("x9") = info;
    register const struct arch_context *x10 __asm__("x10") = to;
    __asm__ volatile("b fastpath_leave" : : "r"(x8), "r"(x9), "r"(x10) : "memory");
    __builtin_unreachable();
}

FASTPATH_INLINE _Noreturn void arch_fastpath_return(const struct arch_context *own, word badge)
{
    register word x8 __asm__("x8") = badge;
    register const struct arch_context *x10 __asm__("x10") = own;
    __asm__ volatile("b fastpath_return" : : "r"(x8), "r"(x10) : "memory");
    __builtin_unreachable();
}

FASTPATH_INLINE _Noreturn void arch_fastpath_resume(struct tcb *to)
{
    register struct tcb *x10 __asm__("x10") = to;
    __asm__ volatile("b fastpath_resume" : : "r"(x10) : "memory");
    __builtin_unreachable();
}

FASTPATH_INLINE _Noreturn void arch_fastpath_leave_through(struct arch_context *to, word badge, word info)
{
    register word x8 __asm__("x8") = badge;
    register word x9 __asm__("x9") = info;
    register struct arch_context *x10 __asm__("x10") = to;
    __asm__ volatile("b fastpath_leave_through" : : "r"(x8), "r"(x9), "r"(x10) : "memory");
    __builtin_unreachable();
}

#endif
