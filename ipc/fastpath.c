/* The fast path: see fastpath.h. Conditions first, each with its reason to abandon; then only what cannot fail.
 *
 * Nothing here may call a function that is not inlined: it would not know that the registers of the message words are
 * taken.
 */
#include <ipc/fastpath.h>
#include <kernel/lookup.h>

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

/* Look-up in entry.S. */
_Static_assert(offsetof(struct tcb, cspace_slots) == TCB_CSPACE_SLOTS, "the arch contract");
_Static_assert(offsetof(struct tcb, cspace_count) == TCB_CSPACE_COUNT, "the arch contract");
_Static_assert(offsetof(struct tcb, slots[TCB_SLOT_CSPACE]) == TCB_CSPACE_ROOT, "the arch contract");
_Static_assert(CAP_TYPE_CNODE == OBJECT_CNODE && LOOK_UP_CNODES == LOOKUP_CNODES, "the arch contract");

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

/* The highest priority of ready threads; there are some. */
INLINE unsigned ready_highest(fastpath_core core)
{
    unsigned group = 63 - (unsigned)__builtin_clzl(core->ready_summary);
    return group * 64 + 63 - (unsigned)__builtin_clzl(core->ready_bits[group]);
}

/* May `tcb` run before all ready threads? is_first: it would be put in front of its equals. */
INLINE bool is_next(fastpath_core core, const struct tcb *tcb, bool is_first)
{
    if (core->ready_summary == 0)
        return true;
    unsigned highest = ready_highest(core);
    return is_first ? tcb->priority >= highest : tcb->priority > highest;
}

/* The same for `to`, which gets the context of `from`: in front of its equals if those are the equals of `from`, among
 * others the time slice may have another end. */
INLINE bool is_next_lent(fastpath_core core, const struct tcb *from, const struct tcb *to)
{
    if (core->ready_summary == 0)
        return true;
    unsigned highest = ready_highest(core);
    return to->priority > highest || (to->priority == highest && from->priority == highest);
}

/* The context goes from one to the other together with the CPU: nothing is charged, no deadline changes. */
INLINE void context_pass(struct tcb *from, struct tcb *to)
{
    struct sched_context *sc = from->sched_context;
    from->sched_context = NULL;
    to->sched_context = sc;
    sc->tcb = to;
}

/* FP state, between two threads of which one has it, or none a flag. */
INLINE void switch_fp(fastpath_core core, struct tcb *from, struct tcb *to)
{
    __asm__ volatile("" : : : "memory"); /* the flags are read again: threads without any pay one test */
    bool wanted = to->flags != 0;
    if (from->flags)
        arch_fastpath_fpu_save(&from->fpu);
    if (wanted != core->fp_enabled) {
        arch_fpu_enable(wanted);
        core->fp_enabled = wanted;
    }
    if (wanted)
        arch_fastpath_fpu_restore(&to->fpu);
}

/* To user level as `to`, with the message; fastpath_switch does what does not go without a call. */
INLINE _Noreturn void leave_through(struct tcb *from, struct tcb *to, word badge)
{
    word info = arch_context_info(&from->context) & INFO_KEPT;
    arch_fastpath_leave_through(&to->context, badge, info);
}

/* The same with the context that `from` ran on. */
INLINE _Noreturn void leave(fastpath_core core, struct tcb *from, struct tcb *to, word badge)
{
    if (core->space != to->space) {
        if (UNLIKELY(!arch_fastpath_can_load(to->space)))
            leave_through(from, to, badge);
        core->space = to->space;
        arch_fastpath_load(to->space);
    }
    if (UNLIKELY(from->flags | to->flags)) {
        if ((from->flags | to->flags) != TCB_FLAG_FP)
            leave_through(from, to, badge);
        switch_fp(core, from, to);
    }
    core->current = to;
    arch_context_switch(NULL, &from->context, &to->context);
    arch_fastpath_leave(&to->context, badge, arch_context_info(&from->context) & INFO_KEPT);
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
    struct fastpath_entry entry = arch_fastpath_entry();
    fastpath_core core = entry.core;
    struct tcb *caller = entry.tcb;
    struct slot *slot = entry.slot;
    struct cap cap = slot->cap;
    if (UNLIKELY(cap_type(cap) != OBJECT_ENDPOINT)) {
        ABANDON_IF(!IS_INVOKED(cap_type(cap)));
        arch_fastpath_invoke(slot);
    }
    struct endpoint *endpoint = cap_object_of(cap, OBJECT_ENDPOINT);
    struct tcb *server = endpoint->queue.head;
    ABANDON_IF(!cap_has(cap, RIGHT_CALL) || !server || !endpoint->has_receivers || !server->reply);
    if (UNLIKELY(server->sched_context != NULL)) {
        ABANDON_IF(!thread_has_simple_context(server) || !is_next(core, server, false));
        message_check(caller, server);
        call_commit(endpoint, caller, server);
        leave_through(caller, server, cap_badge(slot->cap));
    }
    ABANDON_IF(server->borrower || !is_next_lent(core, caller, server));
    message_check(caller, server);
    call_commit(endpoint, caller, server);
    caller->borrower = server;
    server->lender = caller;
    context_pass(caller, server);
    leave(core, caller, server, cap_badge(slot->cap));
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

/* The caller had a fault, and the answer lets it go on: see abi/fault.h. */
INLINE _Noreturn void fault_answer(fastpath_core core, struct endpoint *endpoint, struct tcb *server,
                                   struct tcb *caller)
{
    word info = arch_context_info(&server->context);
    bool is_lent = server->lender == caller;
    ABANDON_IF(message_info_label(info) != 0 ||
               !is_next(core, caller, is_lent && caller->priority == server->priority));
    ABANDON_IF((server->flags | caller->flags) & TCB_FLAG_STRANDED);
    ABANDON_IF(!is_lent && (server->lender || !thread_has_simple_context(caller)));

    arch_fastpath_save_message(&server->context);
    if (message_info_length(info) >= 1)
        arch_context_set_pc(&caller->context, arch_context_mr(&server->context, 0));
    if (message_info_length(info) >= 2)
        arch_context_set_sp(&caller->context, arch_context_mr(&server->context, 1));
    caller->fault = FAULT_NONE;
    reply_commit(endpoint, server, caller);
    if (is_lent) {
        server->lender = NULL;
        caller->borrower = NULL;
        context_pass(server, caller);
    }
    arch_fastpath_resume(caller);
}

_Noreturn void fastpath_reply_receive(void)
{
    struct fastpath_entry entry = arch_fastpath_reply_entry();
    fastpath_core core = entry.core;
    struct tcb *server = entry.tcb;
    struct cap reply_cap = entry.reply_slot->cap;
    struct cap cap = entry.slot->cap;
    ABANDON_IF(cap_type(reply_cap) != OBJECT_REPLY || cap_type(cap) != OBJECT_ENDPOINT || !cap_has(cap, RIGHT_RECV));
    struct reply *reply = cap_object_of(reply_cap, OBJECT_REPLY);
    struct endpoint *endpoint = cap_object_of(cap, OBJECT_ENDPOINT);
    struct tcb *caller = reply->caller;
    ABANDON_IF(!caller || server->serving != reply);
    ABANDON_IF((endpoint->queue.head && !endpoint->has_receivers) || (server->bound && server->bound->signals));
    ABANDON_IF(server->borrower || server->sched_context->notification);
    if (UNLIKELY(caller->fault))
        fault_answer(core, endpoint, server, caller);
    if (UNLIKELY(server->lender != caller)) {                            /* both have a context of their own */
        ABANDON_IF(server->lender || server->flags & TCB_FLAG_STRANDED); /* it gives the dead lender's back */
        ABANDON_IF(!thread_has_simple_context(caller) || !is_next(core, caller, false));
        message_check(server, caller);
        reply_commit(endpoint, server, caller);
        leave_through(server, caller, 0);
    }
    ABANDON_IF(!is_next_lent(core, server, caller));
    message_check(server, caller);
    reply_commit(endpoint, server, caller);
    server->lender = NULL;
    caller->borrower = NULL;
    context_pass(server, caller);
    leave(core, server, caller, 0);
}

/* --- between threads with contexts of their own --- */

/* Completes the system call of a thread whose registers are saved. */
INLINE void complete(struct tcb *tcb, word badge)
{
    arch_context_set_info(&tcb->context, 0);
    arch_context_set_badge(&tcb->context, badge);
    arch_context_set_status(&tcb->context, ERROR_NONE);
}

/* Takes the first thread out of a ready queue that is not empty. */
INLINE struct tcb *ready_take(struct core *core, unsigned priority)
{
    struct thread_queue *queue = &core->ready[priority];
    struct tcb *tcb = queue->head;
    tcb->is_queued = false;
    queue->head = tcb->queue_next;
    if (!queue->head) {
        word bits = core->ready_bits[priority / 64] & ~(1ul << priority % 64);
        core->ready_bits[priority / 64] = bits;
        if (bits == 0)
            core->ready_summary &= ~(1ul << priority / 64);
    }
    return tcb;
}

/* The running thread, overtaken by one of higher priority, stays the first of its own. */
INLINE void ready_return(struct core *core, struct tcb *tcb)
{
    unsigned priority = tcb->priority;
    struct thread_queue *queue = &core->ready[priority];
    tcb->is_queued = true;
    tcb->queue_next = queue->head;
    if (queue->head) {
        queue->head->queue_prev = tcb;
    } else {
        queue->tail = tcb;
        core->ready_bits[priority / 64] |= 1ul << priority % 64;
        core->ready_summary |= 1ul << priority / 64;
    }
    queue->head = tcb;
}

/* A message without an answer, for a receiver with a context of its own. */
INLINE void send_commit(struct endpoint *endpoint, struct tcb *sender, struct tcb *receiver)
{
    ABANDON_IF(!endpoint->has_receivers || (sender->flags | receiver->flags) & TCB_FLAG_STRANDED);
    message_check(sender, receiver);
    if (receiver->reply)
        receiver->reply->server = NULL; /* the reply object that it offered is free */
    arch_fastpath_save_message(&receiver->context);
    arch_context_set_info(&receiver->context, arch_context_info(&sender->context) & INFO_KEPT);
}

/* With and without blocking: what makes a difference is abandoned. */
_Noreturn void fastpath_send(void)
{
    struct fastpath_entry entry = arch_fastpath_entry();
    struct tcb *tcb = entry.tcb;
    struct cap cap = entry.slot->cap;
    bool is_signal = cap_type(cap) == OBJECT_NOTIFICATION;
    ABANDON_IF((!is_signal && cap_type(cap) != OBJECT_ENDPOINT) || !cap_has(cap, RIGHT_SEND));
    struct thread_queue *queue = cap_object_of(cap, cap_type(cap)); /* both kinds of object begin with it */
    struct tcb *waiter = queue->head;
    word badge = cap_badge(cap);
    if (is_signal) {
        struct notification *notification = (struct notification *)queue;
        badge = badge ? badge : 1;
        if (!waiter) {
            ABANDON_IF(notification->bound && notification->bound->state == THREAD_BLOCKED_RECV);
            notification->signals |= badge;
            arch_fastpath_return(&tcb->context, 0);
        }
        ABANDON_IF(waiter->queue_next); /* there may be an order to keep */
    }
    ABANDON_IF(!waiter || waiter->priority <= tcb->priority);
    ABANDON_IF(!thread_has_simple_context(waiter) || !thread_has_simple_context(tcb));

    struct core *core = arch_fastpath_core_pointer();
    if (is_signal)
        arch_context_set_info(&waiter->context, 0);
    else
        send_commit((struct endpoint *)queue, tcb, waiter);
    queue->head = waiter->queue_next;
    waiter->state = THREAD_RUNNING;
    arch_context_set_badge(&waiter->context, badge);
    arch_context_set_status(&waiter->context, ERROR_NONE);
    complete(tcb, 0);
    ready_return(core, tcb);
    arch_fastpath_resume(waiter);
}

/* The thread waits at an endpoint where nobody waits to send. */
INLINE void receive_commit(struct endpoint *endpoint, struct tcb *tcb, struct cap reply_cap)
{
    struct reply *reply = cap_object_of(reply_cap, OBJECT_REPLY);
    ABANDON_IF(cap_type(reply_cap) != OBJECT_REPLY || reply->caller || reply->server);
    ABANDON_IF((endpoint->queue.head && !endpoint->has_receivers) || (tcb->bound && tcb->bound->signals));
    ABANDON_IF(tcb->flags & TCB_FLAG_STRANDED);
    endpoint->has_receivers = true;
    reply->server = tcb;
    tcb->reply = reply;
    tcb->state = THREAD_BLOCKED_RECV;
}

INLINE _Noreturn void wait(struct fastpath_entry entry, bool is_blocking)
{
    struct tcb *tcb = entry.tcb;
    struct cap cap = entry.slot->cap;
    bool is_receive = is_blocking && entry.reply_slot && cap_type(cap) == OBJECT_ENDPOINT;
    ABANDON_IF((!is_receive && cap_type(cap) != OBJECT_NOTIFICATION) || !cap_has(cap, RIGHT_RECV));
    /* Or the endpoint: both begin with the queue. */
    struct notification *notification = cap_object_of(cap, is_blocking ? cap_type(cap) : OBJECT_NOTIFICATION);
    if (!is_receive) {
        word signals = notification->signals;
        if (signals || !is_blocking) {
            notification->signals = 0;
            arch_fastpath_return(&tcb->context, signals);
        }
        ABANDON_IF(notification->queue.head != NULL); /* there is an order to keep */
    }
    struct core *core = arch_fastpath_core_pointer();
    ABANDON_IF(core->ready_summary == 0 || tcb->lender || tcb->sched_context->notification);
    unsigned priority = ready_highest(arch_fastpath_core());
    ABANDON_IF(!thread_has_simple_context(core->ready[priority].head));

    if (is_receive)
        receive_commit((struct endpoint *)notification, tcb, entry.reply_slot->cap);
    else
        tcb->state = THREAD_BLOCKED_WAIT;
    tcb->notification = notification;
    queue_append(&notification->queue, tcb);
    arch_fastpath_resume(ready_take(core, priority));
}

/* Wait, and Recv with a reply object. */
_Noreturn void fastpath_wait(void)
{
    wait(arch_fastpath_reply_entry(), true);
}

_Noreturn void fastpath_nbwait(void)
{
    wait(arch_fastpath_entry(), false);
}

_Noreturn void fastpath_yield(void)
{
    struct core *core = arch_fastpath_core_pointer();
    struct tcb *tcb = core->current;
    struct thread_queue *queue = &core->ready[tcb->priority];
    struct tcb *next = queue->head;
    if (!next)
        arch_fastpath_return(&tcb->context, 0);
    ABANDON_IF(!thread_has_simple_context(next) || !thread_has_simple_context(tcb));

    next->is_queued = false;
    tcb->is_queued = true;
    queue->head = next->queue_next;
    queue_append(queue, tcb);
    complete(tcb, 0);
    arch_fastpath_resume(next);
}
