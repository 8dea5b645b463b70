/* The fast path: see fastpath.h. Conditions first, each with its reason to abandon; then only what cannot fail.
 *
 * Nothing here may call a function that is not inlined: it would not know that the registers of the message words are
 * taken.
 */
#include <ipc/fastpath.h>

#define INLINE      static inline __attribute__((always_inline))
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define ABANDON_IF(x)                                                                                                  \
    do {                                                                                                               \
        if (UNLIKELY(x))                                                                                               \
            arch_fastpath_abandon();                                                                                   \
    } while (0)

#define INFO_LENGTH 0x7ful
#define INFO_COUNTS 0x1fful /* length and number of capabilities */
#define INFO_KEPT   (~0xffful | INFO_LENGTH)

/* Objects for which Call is an invocation. */
#define IS_INVOKED(type)                                                                                               \
    (((1u << OBJECT_TYPE_COUNT) - 1) >> (type)&1 &                                                                     \
     ~(1u << OBJECT_NULL | 1u << OBJECT_ENDPOINT | 1u << OBJECT_NOTIFICATION | 1u << OBJECT_REPLY) >> (type))

/* The slot at that address of a CSpace of the common shape: one CNode without guard. */
INLINE struct slot *slot_at(const struct tcb *tcb, cptr address)
{
    ABANDON_IF(address >= tcb->cspace_count);
    return &tcb->cspace_slots[address];
}

INLINE bool cap_has(struct cap cap, word right)
{
    return cap.word0 & right << 48;
}

/* No capabilities; words beyond the registers only between two buffers. The last condition: these words are copied. */
INLINE void message_check(const struct tcb *from, const struct tcb *to)
{
    word counts = arch_context_info(&from->context) & INFO_COUNTS;
    if (UNLIKELY(counts > MESSAGE_REGISTERS)) {
        ABANDON_IF(counts > MESSAGE_WORDS || !from->buffer || !to->buffer);
        arch_fastpath_copy_words(to->buffer, from->buffer, counts);
    }
}

/* May `tcb` run before all ready threads? is_first: it would be put in front of its equals. */
INLINE bool thread_is_next(fastpath_core core, const struct tcb *tcb, bool is_first)
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
    return sc && sc->budget != 0 && sched_context_is_round_robin(sc);
}

/* The context goes from one to the other together with the CPU: nothing is charged, no deadline changes. */
INLINE void context_pass(struct tcb *from, struct tcb *to)
{
    struct sched_context *sc = from->sched_context;
    from->sched_context = NULL;
    to->sched_context = sc;
    sc->tcb = to;
}

/* To user level as `to`, which runs from now on. */
INLINE _Noreturn void leave(fastpath_core core, struct tcb *from, struct tcb *to, word badge, bool is_same_context)
{
    bool is_done = (from->flags | to->flags) == 0 && is_same_context;
    core->current = to;
    if (core->space != to->space) {
        if (UNLIKELY(!arch_fastpath_can_load(to->space))) {
            is_done = false;
        } else {
            core->space = to->space;
            arch_fastpath_load(to->space);
        }
    }
    arch_context_switch(NULL, &from->context, &to->context);
    word info = arch_context_info(&from->context) & INFO_KEPT;
    if (UNLIKELY(!is_done))
        arch_fastpath_leave_through(from, &to->context, badge, info);
    arch_fastpath_leave(&to->context, badge, info);
}

/* The server has got a call: it leaves the endpoint's queue, and the reply object that it offered holds the caller. */
INLINE void call_commit(struct endpoint *endpoint, struct tcb *caller, struct tcb *server)
{
    struct reply *reply = server->reply;
    endpoint->queue.head = server->queue_next;
    reply->caller = caller; /* reply->server is the server already */
    reply->next = server->serving;
    if (server->serving)
        server->serving->prev = reply;
    server->serving = reply;
    server->state = THREAD_RUNNING;
    caller->reply = reply;
    caller->state = THREAD_BLOCKED_REPLY;
    arch_fastpath_save_message(&caller->context); /* should the call have to start anew */
}

_Noreturn void fastpath_call(void)
{
    fastpath_core core = arch_fastpath_core();
    struct tcb *caller = core->current;
    struct slot *slot = slot_at(caller, (cptr)arch_fastpath_destination());
    struct cap cap = slot->cap;
    if (UNLIKELY(cap_type(cap) != OBJECT_ENDPOINT)) {
        ABANDON_IF(!IS_INVOKED(cap_type(cap)));
        arch_fastpath_invoke(slot);
    }
    struct endpoint *endpoint = cap_object_of(cap, OBJECT_ENDPOINT);
    struct tcb *server = endpoint->queue.head;
    ABANDON_IF(!cap_has(cap, RIGHT_CALL) || !server || !endpoint->has_receivers || !server->reply);
    if (UNLIKELY(server->sched_context != NULL)) {
        ABANDON_IF(!has_simple_context(server) || !thread_is_next(core, server, false));
        message_check(caller, server);
        call_commit(endpoint, caller, server);
        leave(core, caller, server, cap_badge(slot->cap), false);
    }
    ABANDON_IF(server->borrower || !thread_is_next(core, server, true));
    message_check(caller, server);
    call_commit(endpoint, caller, server);
    caller->borrower = server;
    server->lender = caller;
    context_pass(caller, server);
    leave(core, caller, server, cap_badge(slot->cap), true);
}

/* The caller has its answer; the server waits at the endpoint again and offers the same reply object. */
INLINE void reply_commit(struct endpoint *endpoint, struct tcb *server, struct tcb *caller)
{
    struct reply *reply = server->serving;
    server->serving = reply->next;
    reply->caller = NULL;
    caller->state = THREAD_RUNNING;
    server->reply = reply;
    server->state = THREAD_BLOCKED_RECV;
    server->endpoint = endpoint;
    endpoint->has_receivers = true;
    queue_append(&endpoint->queue, server);
}

_Noreturn void fastpath_reply_receive(void)
{
    fastpath_core core = arch_fastpath_core();
    struct tcb *server = core->current;
    word destination = arch_fastpath_destination();
    struct cap reply_cap = slot_at(server, (cptr)(destination >> 32))->cap;
    struct cap cap = slot_at(server, (cptr)destination)->cap;
    ABANDON_IF(cap_type(reply_cap) != OBJECT_REPLY || cap_type(cap) != OBJECT_ENDPOINT || !cap_has(cap, RIGHT_RECV));
    struct reply *reply = cap_object_of(reply_cap, OBJECT_REPLY);
    struct endpoint *endpoint = cap_object_of(cap, OBJECT_ENDPOINT);
    struct tcb *caller = reply->caller;
    ABANDON_IF(!caller || server->serving != reply || caller->fault);
    ABANDON_IF((endpoint->queue.head && !endpoint->has_receivers) || (server->bound && server->bound->signals));
    ABANDON_IF(server->borrower || server->sched_context->notification);
    if (UNLIKELY(server->lender != caller)) { /* both have a context of their own */
        ABANDON_IF(server->lender || !has_simple_context(caller) || !thread_is_next(core, caller, false));
        message_check(server, caller);
        reply_commit(endpoint, server, caller);
        leave(core, server, caller, 0, false);
    }
    ABANDON_IF(!thread_is_next(core, caller, true));
    message_check(server, caller);
    reply_commit(endpoint, server, caller);
    server->lender = NULL;
    caller->borrower = NULL;
    context_pass(server, caller);
    leave(core, server, caller, 0, true);
}
