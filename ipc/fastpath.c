/* The fast path: see fastpath.h. Conditions first, each with its reason to fall back; then only what cannot fail. */
#include <arch/mmu.h>
#include <ipc/fastpath.h>

#define INLINE      static inline __attribute__((always_inline))
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define INFO_LENGTH 0x7ful
#define INFO_COUNTS 0x1fful /* length and number of capabilities */
#define INFO_KEPT   (~0xffful | INFO_LENGTH)

/* No capabilities; words beyond the registers only between two buffers. */
INLINE bool message_is_plain(const struct tcb *from, const struct tcb *to, word info)
{
    word counts = info & INFO_COUNTS;
    return counts <= MESSAGE_REGISTERS || (counts <= MESSAGE_WORDS && from->buffer && to->buffer);
}

/* The capability in a CSpace of the common shape, or a null one. */
INLINE struct cap cap_find(const struct tcb *tcb, cptr address)
{
    const struct slot *slot = cspace_slot(tcb, address);
    return slot ? slot->cap : cap_null();
}

/* Of that type, with that right (0: any). */
INLINE bool cap_is(struct cap cap, enum object_type type, word right)
{
    return (cap.word0 & (31 | right << 48)) == ((word)type | right << 48);
}

/* May `tcb` run before all ready threads? is_first: it would be put in front of its equals. */
INLINE bool thread_is_next(const struct core *core, const struct tcb *tcb, bool is_first)
{
    if (core->ready_summary == 0)
        return true;
    unsigned group = 63 - (unsigned)__builtin_clzl(core->ready_summary);
    unsigned highest = group * 64 + 63 - (unsigned)__builtin_clzl(core->ready_bits[group]);
    return is_first ? tcb->priority >= highest : tcb->priority > highest;
}

/* A context of its own that needs no look at the clock. */
INLINE bool has_simple_context(const struct tcb *tcb)
{
    const struct sched_context *sc = tcb->sched_context;
    return sc->budget != 0 && sched_context_is_round_robin(sc);
}

INLINE void message_pass(const struct tcb *from, struct tcb *to, word info, word badge)
{
    arch_context_copy_message(&to->context, &from->context);
    if (UNLIKELY((info & INFO_LENGTH) > MESSAGE_REGISTERS))
        message_copy_words(from->buffer, to->buffer, info & INFO_LENGTH);
    arch_context_set_info(&to->context, info & INFO_KEPT);
    arch_context_set_badge(&to->context, badge);
    arch_context_set_status(&to->context, ERROR_NONE);
}

INLINE void switch_to(struct core *core, struct tcb *from, struct tcb *to)
{
    if (core->space != to->space) {
        core->space = to->space;
        arch_space_switch(core, to->space);
    }
    arch_context_switch(core, &from->context, &to->context);
    if (UNLIKELY(from->flags | to->flags))
        thread_switch_flagged(core, from, to);
    core->current = to;
    if (UNLIKELY(to->sched_context != core->charged)) {
        sched_switch_context(core, to->sched_context);
        sched_set_deadline(core);
        core->is_charged = false;
    }
}

bool fastpath_call(struct core *core, struct cap cap)
{
    struct tcb *caller = core->current;
    word info = arch_context_info(&caller->context);
    if (UNLIKELY(!(cap_rights(cap) & RIGHT_CALL)))
        return false;
    struct endpoint *endpoint = cap_object(cap);
    struct tcb *server = endpoint->queue.head;
    if (UNLIKELY(!server || !endpoint->has_receivers || !message_is_plain(caller, server, info)))
        return false;
    struct reply *reply = server->reply;
    bool is_lent = server->sched_context == NULL;
    if (UNLIKELY(!reply || (is_lent ? server->borrower != NULL : !has_simple_context(server))))
        return false;
    if (UNLIKELY(!thread_is_next(core, server, is_lent)))
        return false;

    endpoint->queue.head = server->queue_next;
    if (server->queue_next)
        server->queue_next->queue_prev = NULL;
    else
        endpoint->queue.tail = NULL;
    server->queue_next = NULL;
    reply->caller = caller; /* reply->server is the server already, reply->prev NULL */
    reply->next = server->serving;
    if (server->serving)
        server->serving->prev = reply;
    server->serving = reply;
    server->reply = NULL;
    server->state = THREAD_RUNNING;
    caller->reply = reply;
    caller->state = THREAD_BLOCKED_REPLY;
    if (is_lent) {
        struct sched_context *sc = caller->sched_context;
        caller->sched_context = NULL;
        caller->borrower = server;
        server->lender = caller;
        server->sched_context = sc;
        sc->tcb = server;
    }
    message_pass(caller, server, info, cap_badge(cap));
    switch_to(core, caller, server);
    return true;
}

bool fastpath_reply_receive(struct core *core)
{
    struct tcb *server = core->current;
    word info = arch_context_info(&server->context), names = arch_context_destination(&server->context);
    struct cap cap = cap_find(server, (cptr)names), reply_cap = cap_find(server, (cptr)(names >> 32));
    if (UNLIKELY(!cap_is(reply_cap, OBJECT_REPLY, 0) || !cap_is(cap, OBJECT_ENDPOINT, RIGHT_RECV)))
        return false;
    struct reply *reply = cap_object(reply_cap);
    struct endpoint *endpoint = cap_object(cap);
    struct tcb *caller = reply->caller;
    if (UNLIKELY(!caller || reply->server != server || caller->fault || !message_is_plain(server, caller, info)))
        return false;
    if (UNLIKELY((endpoint->queue.head && !endpoint->has_receivers) || (server->bound && server->bound->signals)))
        return false;
    /* Either the server runs on the caller's context, or both have one of their own. */
    struct sched_context *sc = server->sched_context;
    bool is_lent = server->lender == caller;
    if (UNLIKELY(is_lent ? server->borrower != NULL
                         : !caller->sched_context || !has_simple_context(caller) || server->lender))
        return false;
    if (UNLIKELY(sc->notification || !thread_is_next(core, caller, is_lent)))
        return false;

    if (reply->prev)
        reply->prev->next = reply->next;
    else
        server->serving = reply->next;
    if (reply->next)
        reply->next->prev = reply->prev;
    reply->caller = NULL;
    reply->next = reply->prev = NULL;
    caller->reply = NULL;
    caller->state = THREAD_RUNNING;
    if (is_lent) {
        server->sched_context = NULL;
        server->lender = NULL;
        caller->borrower = NULL;
        caller->sched_context = sc;
        sc->tcb = caller;
    }
    server->reply = reply;
    server->state = THREAD_BLOCKED_RECV;
    server->endpoint = endpoint;
    endpoint->has_receivers = true;
    queue_append(&endpoint->queue, server);
    message_pass(server, caller, info, 0);
    switch_to(core, server, caller);
    return true;
}
