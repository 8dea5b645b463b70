/* Host model: registers. Like x86-64, destination and badge share a register, and so do number and status. */
#ifndef MACHINE_THREAD_H
#define MACHINE_THREAD_H

#include <abi/message.h>

struct arch_context {
    word destination_badge, number_status, info, mr[MESSAGE_REGISTERS];
    word pc, sp, flags, tls, argument;
    bool is_stepping;
} __attribute__((aligned(16)));

struct arch_fpu {
    word live;
};

#define MODEL_TRAP_BYTES 2

static inline word arch_context_destination(const struct arch_context *c)
{
    return c->destination_badge;
}
static inline word arch_context_info(const struct arch_context *c)
{
    return c->info;
}
static inline word arch_context_mr(const struct arch_context *c, unsigned i)
{
    return c->mr[i];
}
static inline void arch_context_set_mr(struct arch_context *c, unsigned i, word value)
{
    c->mr[i] = value;
}
static inline void arch_context_set_info(struct arch_context *c, word value)
{
    c->info = value;
}
static inline void arch_context_set_badge(struct arch_context *c, word value)
{
    c->destination_badge = value;
}
static inline void arch_context_set_status(struct arch_context *c, word value)
{
    c->number_status = value;
}
static inline void arch_context_copy_message(struct arch_context *to, const struct arch_context *from)
{
    memcpy(to->mr, from->mr, sizeof(to->mr));
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
    return c->flags;
}
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
    c->pc -= MODEL_TRAP_BYTES;
}
static inline void arch_context_set_argument(struct arch_context *c, word value)
{
    c->argument = value;
}
static inline void arch_context_set_tls(struct arch_context *c, word value)
{
    c->tls = value;
}
static inline word arch_context_number(const struct arch_context *c)
{
    return c->number_status;
}

extern word model_tls; /* the live TLS base */
extern word model_fpu; /* the live FP state: one word */
extern bool model_fpu_on;

static inline void arch_context_switch(struct core *core, struct arch_context *from, struct arch_context *to)
{
    (void)core;
    from->tls = model_tls;
    model_tls = to->tls;
}
static inline void arch_fpu_enable(bool on)
{
    model_fpu_on = on;
}

#endif
