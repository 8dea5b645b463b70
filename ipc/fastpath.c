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

/* `to` is the running thread from now on; false: fastpath_switch_rest has to load its space. */
INLINE bool make_current(fastpath_core core, struct tcb *from, struct tcb *to)
{
    core->current = to;
    arch_context_switch(NULL, &from->context, &to->context);
    if (core->space == to->space)
        return true;
    if (UNLIKELY(!arch_fastpath_can_load(to->space)))
        return false;
    core->space = to->space;
    arch_fastpath_load(to->space);
    return true;
}

/* The threads' flags are served; false: fastpath_switch_rest has to. */
INLINE bool switch_fp(fastpath_core core, struct tcb *from, struct tcb *to)
{
    __asm__ volatile("" : : : "memory"); /* the flags are read again: threads without any pay one test */
    bool wanted = to->flags != 0;
    if ((from->flags | to->flags) != TCB_FLAG_FP)
        return false;
    if (from->flags)
        arch_fastpath_fpu_save(&from->fpu);
    if (wanted != core->fp_enabled) {
        arch_fpu_enable(wanted);
        core->fp_enabled = wanted;
    }
    if (wanted)
        arch_fastpath_fpu_restore(&to->fpu);
    return true;
}

/* To user level as `to`, with the message. */
INLINE _Noreturn void leave(fastpath_core core, struct tcb *from, struct tcb *to, word badge, bool is_same_context)
{
    bool is_done = make_current(core, from, to) && is_same_context;
    if (UNLIKELY(from->flags | to->flags))
        is_done = is_done && switch_fp(core, from, to);
    word info = arch_context_info(&from->context) & INFO_KEPT;
    if (UNLIKELY(!is_done))
        arch_fastpath_leave_through(from, &to->context, badge, info);
    arch_fastpath_leave(&to->context, badge, info);
}

/* To user level as `to`, whose registers are all in its context. */
INLINE _Noreturn void leave_for(struct tcb *from, struct tcb *to)
{
    (void)make_current(arch_fastpath_core(), from, to);
    arch_fastpath_resume(from);
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
        leave(core, caller, server, cap_badge(slot->cap), false);
    }
    ABANDON_IF(server->borrower || !is_next_lent(core, caller, server));
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
    leave_for(server, caller);
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
        leave(core, server, caller, 0, false);
    }
    ABANDON_IF(!is_next_lent(core, server, caller));
    message_check(server, caller);
    reply_commit(endpoint, server, caller);
    server->lender = NULL;
    caller->borrower = NULL;
    context_pass(server, caller);
    leave(core, server, caller, 0, true);
}

/* --- without a message: the words of the running thread's registers are of no interest --- */

/* The capability in that slot, if it is to a notification. */
INLINE struct cap notification_cap(const struct slot *slot, word right)
{
    struct cap cap = slot->cap;
    ABANDON_IF(cap_type(cap) != OBJECT_NOTIFICATION || !cap_has(cap, right));
    return cap;
}

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

_Noreturn void fastpath_send(void)
{
    struct fastpath_entry entry = arch_fastpath_entry();
    struct tcb *tcb = entry.tcb;
    struct cap cap = notification_cap(entry.slot, RIGHT_SEND);
    struct notification *notification = cap_object_of(cap, OBJECT_NOTIFICATION);
    struct tcb *waiter = notification->queue.head;
    word badge = cap_badge(cap) ? cap_badge(cap) : 1;
    if (!waiter) {
        ABANDON_IF(notification->bound && notification->bound->state == THREAD_BLOCKED_RECV);
        notification->signals |= badge;
        arch_fastpath_return(&tcb->context, 0);
    }
    ABANDON_IF(waiter->queue_next || waiter->priority <= tcb->priority);
    ABANDON_IF(!thread_has_simple_context(waiter) || !thread_has_simple_context(tcb));

    struct core *core = arch_fastpath_core_pointer();
    notification->queue.head = NULL;
    waiter->state = THREAD_RUNNING;
    complete(waiter, badge);
    complete(tcb, 0);
    ready_return(core, tcb);
    leave_for(tcb, waiter);
}

INLINE _Noreturn void wait(bool is_blocking)
{
    struct fastpath_entry entry = arch_fastpath_entry();
    struct tcb *tcb = entry.tcb;
    struct cap cap = notification_cap(entry.slot, RIGHT_RECV);
    struct notification *notification = cap_object_of(cap, OBJECT_NOTIFICATION);
    word signals = notification->signals;
    if (signals || !is_blocking) {
        notification->signals = 0;
        arch_fastpath_return(&tcb->context, signals);
    }
    struct core *core = arch_fastpath_core_pointer();
    ABANDON_IF(core->ready_summary == 0 || tcb->lender || tcb->sched_context->notification);
    ABANDON_IF(notification->queue.head != NULL); /* there is an order to keep */
    unsigned priority = ready_highest(arch_fastpath_core());
    ABANDON_IF(!thread_has_simple_context(core->ready[priority].head));

    tcb->state = THREAD_BLOCKED_WAIT;
    tcb->notification = notification;
    queue_append(&notification->queue, tcb);
    leave_for(tcb, ready_take(core, priority));
}

_Noreturn void fastpath_wait(void)
{
    wait(true);
}

_Noreturn void fastpath_nbwait(void)
{
    wait(false);
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
    leave_for(tcb, next);
}
