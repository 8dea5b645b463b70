/* Host model: the message words wait in model_words while the fast path runs; a way out is a jump to model.c. */
#ifndef MACHINE_FASTPATH_H
#define MACHINE_FASTPATH_H

#include <setjmp.h>

void arch_fpu_save(struct arch_fpu *fpu);
void arch_fpu_restore(const struct arch_fpu *fpu);

typedef struct core *fastpath_core;

enum model_way_out { MODEL_ABANDON = 1, MODEL_INVOKE, MODEL_LEAVE, MODEL_LEAVE_THROUGH };
extern word model_words[MESSAGE_REGISTERS];
extern jmp_buf model_way_out;
extern struct slot *model_invoked;
extern struct tcb *model_to;
extern word model_number; /* of the system call */

struct core *model_core(void);

static inline fastpath_core arch_fastpath_core(void)
{
    return model_core();
}

static inline struct core *arch_fastpath_core_pointer(void)
{
    return model_core();
}

static inline _Noreturn void arch_fastpath_abandon(void)
{
    longjmp(model_way_out, MODEL_ABANDON);
}

#define TCB_CSPACE_SLOTS offsetof(struct tcb, cspace_slots)
#define TCB_CSPACE_COUNT offsetof(struct tcb, cspace_count)
#define TCB_CSPACE_ROOT  offsetof(struct tcb, slots[TCB_SLOT_CSPACE])
#define CAP_TYPE_CNODE   OBJECT_CNODE
#define LOOK_UP_CNODES   LOOKUP_CNODES

struct fastpath_entry {
    fastpath_core core;
    struct tcb *tcb;
    struct slot *slot, *reply_slot;
};

/* A slot that the running thread's CSpace has, or no return. */
struct slot *model_look_up(cptr address);

static inline struct fastpath_entry arch_fastpath_entry(void)
{
    struct core *core = model_core();
    struct arch_context *context = *(struct arch_context **)(void *)core;
    return (struct fastpath_entry){core, (struct tcb *)context, model_look_up((cptr)context->destination_badge), NULL};
}

static inline struct fastpath_entry arch_fastpath_reply_entry(void)
{
    struct fastpath_entry entry = arch_fastpath_entry();
    const struct arch_context *context = (const struct arch_context *)entry.tcb;
    if (model_number != SYSCALL_WAIT)
        entry.reply_slot = model_look_up((cptr)(context->destination_badge >> 32));
    return entry;
}

static inline void arch_fastpath_save_message(struct arch_context *c)
{
    memcpy(c->mr, model_words, sizeof(c->mr));
}

static inline void arch_fastpath_copy_words(struct ipc_buffer *to, const struct ipc_buffer *from, word length)
{
    memcpy(to->words + MESSAGE_REGISTERS, from->words + MESSAGE_REGISTERS, (length - MESSAGE_REGISTERS) * sizeof(word));
}

static inline bool arch_fastpath_can_load(const struct arch_space *space)
{
    return space->is_live == 1; /* a test makes it 2 to have the portable kernel load the space */
}

static inline void arch_fastpath_load(struct arch_space *space)
{
    model_space = space;
}

static inline void arch_fastpath_fpu_save(struct arch_fpu *fpu)
{
    arch_fpu_save(fpu);
}

static inline void arch_fastpath_fpu_restore(const struct arch_fpu *fpu)
{
    arch_fpu_restore(fpu);
}

static inline _Noreturn void arch_fastpath_invoke(struct slot *slot)
{
    model_invoked = slot;
    longjmp(model_way_out, MODEL_INVOKE);
}

static inline void model_deliver(struct arch_context *to, word badge, word info)
{
    memcpy(to->mr, model_words, sizeof(to->mr));
    to->destination_badge = badge;
    to->info = info;
    to->number_status = ERROR_NONE;
}

static inline _Noreturn void arch_fastpath_leave(struct arch_context *to, word badge, word info)
{
    model_deliver(to, badge, info);
    longjmp(model_way_out, MODEL_LEAVE);
}

static inline _Noreturn void arch_fastpath_return(struct arch_context *own, word badge)
{
    arch_fastpath_leave(own, badge, 0);
}

static inline _Noreturn void arch_fastpath_resume(struct tcb *to)
{
    model_to = to;
    longjmp(model_way_out, MODEL_LEAVE_THROUGH);
}

static inline _Noreturn void arch_fastpath_leave_through(struct arch_context *to, word badge, word info)
{
    model_deliver(to, badge, info);
    model_to = (struct tcb *)to;
    longjmp(model_way_out, MODEL_LEAVE_THROUGH);
}

#endif
