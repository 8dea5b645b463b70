/* Threads: the TCB, its states and the ready queues.
 *
 * States and where the thread hangs:
 *
 *     INACTIVE        nowhere; made so, suspended, or stopped by a fault that nobody handles
 *     RUNNING         current of its core; or in the ready queue of its priority (is_queued), if it has a sched context
 *                     with budget; or its sched context is in the release heap; or it has none and waits to be lent one
 *     BLOCKED_SEND    in the queue of `endpoint`; is_call tells whether it wants an answer; fault: it is a fault
 * message BLOCKED_RECV    in the queue of `endpoint`; `reply` is the reply object that it brought, or NULL
 *     BLOCKED_REPLY   caller of `reply`; fault: it waits for its handler
 *     BLOCKED_WAIT    in the queue of `notification`
 *
 * A blocked thread's registers hold its system call's input, untouched: results are written when it is complete. So
 * cancelling means either to restart the call (the pc goes back to the trap) or to end it with ERROR_ABORTED.
 *
 * Lending: a Call to a thread without sched context lends it the caller's. lender and borrower link the threads along
 * which one sched context was lent; only the last of the chain has it. The context goes back to `lender` with the
 * answer, or when the link's end dies (see sched_context.h).
 */
#ifndef SCHED_THREAD_H
#define SCHED_THREAD_H

#include <abi/message.h>
#include <arch/debug.h>
#include <arch/thread.h>
#include <kernel/core.h>

enum thread_state {
    THREAD_INACTIVE = 0,
    THREAD_RUNNING,
    THREAD_BLOCKED_SEND,
    THREAD_BLOCKED_RECV,
    THREAD_BLOCKED_REPLY,
    THREAD_BLOCKED_WAIT,
    THREAD_IDLE
};

enum tcb_slot {
    TCB_SLOT_KERNEL = 0, /* what the thread has to delete, and the zombie's place: kernel/delete.c */
    TCB_SLOT_CSPACE,
    TCB_SLOT_VSPACE,
    TCB_SLOT_BUFFER,
    TCB_SLOT_FAULT,
    TCB_SLOT_TIMEOUT,
    TCB_SLOT_COUNT
};

#define TCB_FLAG_STRANDED (1u << 7) /* internal: has lost the context that it had borrowed (rescue.c) */

#define TCB_FLAG_OVERDRAWN                                                                                             \
    (1u << 6) /* internal: has used more than there was of a borrowed context (sched_context.c) */

struct reply;
struct endpoint;
struct notification;
struct sched_context;

struct tcb {
    struct arch_context context;

    /* the IPC path's part */
    struct slot *cspace_slots; /* of a CSpace that is one CNode with a guard of zeros: address i is slot i, */
    word cspace_count;         /* i < this; 0: the CSpace is of another shape, or none */
    uint8_t state;             /* enum thread_state */
    uint8_t priority, maximum_priority;
    uint8_t flags;                       /* TCB_FLAG_* */
    bool is_queued;                      /* in a ready queue */
    bool is_call;                        /* BLOCKED_SEND: it is a call */
    bool can_grant;                      /* BLOCKED_SEND: it may pass capabilities */
    uint8_t fault;                       /* enum fault, while a fault message or its answer is on the way */
    struct tcb *queue_next, *queue_prev; /* ready, endpoint or notification queue (struct thread_queue) */
    struct sched_context *sched_context;
    struct arch_space *space;
    struct ipc_buffer *buffer; /* kernel address, or NULL */
    union {
        struct endpoint *endpoint;
        struct notification *notification;
    };
    word badge;          /* BLOCKED_SEND */
    word cancel_badge;   /* BLOCKED_SEND: see struct endpoint */
    struct reply *reply; /* BLOCKED_RECV, BLOCKED_REPLY */
    struct tcb *lender, *borrower;
    struct reply *serving;      /* reply objects whose callers this thread is to answer */
    struct notification *bound; /* bound notification */
    struct core *core;
    word fault_words[3];
    struct tcb *run_other; /* in a queue of waiting threads: the other end of its run of equals (wait_queue.c) */
    bool awaits_rescue;    /* in core->stranded, by queue_next */

    struct slot slots[TCB_SLOT_COUNT];
    struct arch_fpu fpu;
    struct debug_state debug;
};
_Static_assert(sizeof(struct tcb) <= 1u << OBJECT_BITS_TCB, "a TCB takes 2 KiB");
_Static_assert(offsetof(struct tcb, context) == 0, "the arch contract");
/* What the IPC path touches behind the context lies in three cache lines (docs/performance.md). */
#define CACHE_LINE_BYTES 64
_Static_assert((offsetof(struct tcb, bound) + sizeof(void *) - 1) / CACHE_LINE_BYTES -
                       offsetof(struct tcb, cspace_slots) / CACHE_LINE_BYTES <
                   3,
               "the IPC path's part of a TCB");

static inline bool thread_is_blocked(const struct tcb *tcb)
{
    return tcb->state >= THREAD_BLOCKED_SEND && tcb->state <= THREAD_BLOCKED_WAIT;
}

static inline struct cap tcb_cspace(const struct tcb *tcb)
{
    return tcb->slots[TCB_SLOT_CSPACE].cap;
}

/* --- thread.c --- */

void tcb_init(void *object);
struct slot *tcb_slots(struct cap cap, word *count);
/* A slot of the thread was emptied by somebody: forget what was derived from it. */
void tcb_slot_cleared(struct core *core, struct slot *slot);
/* The thread has a new CSpace capability in its slot. */
void tcb_cspace_changed(struct tcb *tcb);

/* The thread becomes able to run: puts it in its ready queue if it has a context with budget. Its state is set here. */
void thread_make_ready(struct core *core, struct tcb *tcb);
/* The same, but in front of its equals: it goes on with a time slice that another began. */
void thread_make_ready_first(struct core *core, struct tcb *tcb);
/* RUNNING or not, queued or current: it will not be chosen until thread_make_ready. Sets the state. */
void thread_stop(struct core *core, struct tcb *tcb, enum thread_state state);
/* After a change of its sched context or the context's budget: queue or unqueue accordingly. */
void thread_update(struct core *core, struct tcb *tcb);
void thread_set_priority(struct core *core, struct tcb *tcb, uint8_t priority);
void thread_yield(struct core *core);
/* If it is ready, it goes behind its equals. */
void thread_requeue(struct core *core, struct tcb *tcb);
/* `tcb`, if it is ready and not below the running thread's priority, runs next; the running thread follows it. */
void thread_yield_to(struct core *core, struct tcb *tcb);
void thread_set_space(struct core *core, struct tcb *tcb, struct arch_space *space);
void thread_set_flags(struct core *core, struct tcb *tcb, uint8_t flags);

/* Chooses the thread to run and loads what it needs: the last step of every entry into the kernel. */
void schedule_now(struct core *core);
static inline void schedule(struct core *core)
{
    if (core->reschedule || core->deadline_dirty || core->is_charged)
        schedule_now(core);
}

/* May `tcb` run before all ready threads? is_first: it would be put in front of its equals. */
bool thread_is_next(const struct core *core, const struct tcb *tcb, bool is_first);
/* The running thread, which has stopped, gives way to the one that is next, without schedule(). */
void thread_give_way(struct core *core, struct tcb *to);
/* The switch from the running thread to another; states and queues are done: space, FP state, time. */
void fastpath_switch(struct core *core, struct tcb *to);
/* Breakpoints or single-stepping of the thread changed. */
void thread_update_debug(struct core *core, struct tcb *tcb);

static inline void queue_append(struct thread_queue *queue, struct tcb *tcb)
{
    tcb->queue_next = NULL;
    if (queue->head) {
        tcb->queue_prev = queue->tail;
        queue->tail->queue_next = tcb;
    } else {
        queue->head = tcb;
    }
    queue->tail = tcb;
}
void queue_remove(struct thread_queue *queue, struct tcb *tcb);

/* Queues of endpoints and notifications, by priority: wait_queue.c. */
void wait_insert(struct thread_queue *queue, struct tcb *tcb);
void wait_remove(struct thread_queue *queue, struct tcb *tcb);

#endif
