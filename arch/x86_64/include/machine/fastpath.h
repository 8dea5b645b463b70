/* x86-64: how ipc/fastpath.c begins and ends. What must be here: arch/fastpath.h. The labels are in entry.S. */
#ifndef MACHINE_FASTPATH_H
#define MACHINE_FASTPATH_H

#define FASTPATH_INLINE static inline __attribute__((always_inline))

/* GS base is the core's address: no register is needed for it. */
typedef struct core __seg_gs *fastpath_core;

struct fastpath_entry {
    fastpath_core core;
    struct tcb *tcb;
    struct slot *slot, *reply_slot;
};

/* So the core is at address 0, which gcc's analyzer takes for a null pointer in any address space. */
#pragma GCC diagnostic ignored "-Wanalyzer-null-dereference"

FASTPATH_INLINE fastpath_core arch_fastpath_core(void)
{
    return NULL;
}

FASTPATH_INLINE struct core *arch_fastpath_core_pointer(void)
{
    struct core *core;
    __asm__ volatile("mov %%gs:%c1, %0" : "=r"(core) : "i"(CORE_GS_SELF));
    return core;
}

FASTPATH_INLINE struct fastpath_entry arch_fastpath_entry(void)
{
    register struct tcb *r11 __asm__("r11");
    register struct slot *r15 __asm__("r15");
    __asm__ volatile("" : "=r"(r11), "=r"(r15) : : "memory");
    return (struct fastpath_entry){arch_fastpath_core(), r11, r15, NULL};
}

FASTPATH_INLINE struct fastpath_entry arch_fastpath_reply_entry(void)
{
    register struct tcb *r11 __asm__("r11");
    register struct slot *r15 __asm__("r15");
    register struct slot *rax __asm__("rax");
    __asm__ volatile("" : "=r"(r11), "=r"(r15), "=r"(rax) : : "memory");
    return (struct fastpath_entry){arch_fastpath_core(), r11, r15, rax};
}

FASTPATH_INLINE void arch_fastpath_save_message(struct arch_context *c)
{
    __asm__ volatile("mov %%rdx, %c1(%0)\n\t"
                     "mov %%r10, %c1+8(%0)\n\t"
                     "mov %%r8, %c1+16(%0)\n\t"
                     "mov %%r9, %c1+24(%0)\n\t"
                     "mov %%rbx, %c1+32(%0)\n\t"
                     "mov %%r12, %c1+40(%0)\n\t"
                     "mov %%r13, %c1+48(%0)\n\t"
                     "mov %%r14, %c1+56(%0)"
                     :
                     : "r"(c), "i"(CONTEXT_WORDS)
                     : "memory");
}

FASTPATH_INLINE void arch_fastpath_copy_words(struct ipc_buffer *to, const struct ipc_buffer *from, word length)
{
    word *target = (word *)to + MESSAGE_REGISTERS;
    const word *source = (const word *)from + MESSAGE_REGISTERS;
    word count = length - MESSAGE_REGISTERS;
    __asm__ volatile("rep movsq" : "+D"(target), "+S"(source), "+c"(count) : : "memory");
}

FASTPATH_INLINE bool arch_fastpath_can_load(const struct arch_space *space)
{
    (void)space;
    return true;
}

FASTPATH_INLINE void arch_fastpath_load(const struct arch_space *space)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(space->cr3) : "memory");
}

/* Functions that keep the registers of the message words, and all others (fpu.c). */
FASTPATH_INLINE void arch_fastpath_fpu_save(struct arch_fpu *fpu)
{
    __asm__ volatile("call arch_fpu_save" : : "D"(fpu) : "memory", "cc");
}

FASTPATH_INLINE void arch_fastpath_fpu_restore(const struct arch_fpu *fpu)
{
    __asm__ volatile("call arch_fpu_restore" : : "D"(fpu) : "memory", "cc");
}

FASTPATH_INLINE _Noreturn void arch_fastpath_abandon(void)
{
    __asm__ volatile("jmp fastpath_abandon");
    __builtin_unreachable();
}

FASTPATH_INLINE _Noreturn void arch_fastpath_invoke(struct slot *slot)
{
    __asm__ volatile("jmp fastpath_invoke" : : "S"(slot) : "memory");
    __builtin_unreachable();
}

FASTPATH_INLINE _Noreturn void arch_fastpath_leave(const struct arch_context *to, word badge, word info)
{
    __asm__ volatile("jmp fastpath_leave" : : "c"(to), "D"(badge), "S"(info) : "memory");
    __builtin_unreachable();
}

FASTPATH_INLINE _Noreturn void arch_fastpath_return(const struct arch_context *own, word badge)
{
    arch_fastpath_leave(own, badge, 0);
}

FASTPATH_INLINE _Noreturn void arch_fastpath_resume(struct tcb *to)
{
    __asm__ volatile("jmp fastpath_resume" : : "c"(to) : "memory");
    __builtin_unreachable();
}

FASTPATH_INLINE _Noreturn void arch_fastpath_leave_through(struct arch_context *to, word badge, word info)
{
    __asm__ volatile("jmp fastpath_leave_through" : : "c"(to), "D"(badge), "S"(info) : "memory");
    __builtin_unreachable();
}

#endif
