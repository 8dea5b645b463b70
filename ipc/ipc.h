/* Endpoints, notifications, reply objects, timers: the objects and what can be done with them.
 *
 * All functions change states and queues only; nothing returns late, nothing waits. The running thread blocks by being
 * put into a queue; schedule() at the end of the kernel entry then chooses another.
 */
#ifndef IPC_IPC_H
#define IPC_IPC_H

#include <abi/fault.h>
#include <sched/sched_context.h>
#include <sched/thread.h>

/* Either senders (BLOCKED_SEND) wait or receivers (BLOCKED_RECV). */
struct endpoint {
    struct thread_queue queue;
    word has_receivers;      /* meaningful when the queue is not empty */
    struct tcb *cancel_next; /* where a preempted endpoint_cancel_badged goes on, with that thread's cancel_badge */
};
_Static_assert(sizeof(struct endpoint) <= 1u << OBJECT_BITS_ENDPOINT, "an endpoint takes 32 bytes");

struct notification {
    struct thread_queue queue;           /* BLOCKED_WAIT */
    word signals;                        /* badges that nobody has taken yet; 0 while somebody waits */
    struct tcb *bound;                   /* also gets signals while it waits on an endpoint */
    struct sched_context *sched_context; /* lent to a waiter that has none */
};
_Static_assert(sizeof(struct notification) <= 1u << OBJECT_BITS_NOTIFICATION, "a notification takes 64 bytes");

/* Free (caller NULL, server NULL); offered by a receiver that waits with it (server set, caller NULL); or in use: the
 * caller is BLOCKED_REPLY and the reply object is in the `serving` list of the thread that received the call. */
struct reply {
    struct tcb *caller, *server;
    struct reply *next, *prev; /* defined while in use; the first one's prev is not */
};
_Static_assert(sizeof(struct reply) <= 1u << OBJECT_BITS_REPLY, "a reply object takes 64 bytes");
_Static_assert(CACHE_LINE_BYTES % sizeof(struct endpoint) == 0 && sizeof(struct reply) <= CACHE_LINE_BYTES,
               "each lies in one cache line");

enum timer_slot { TIMER_SLOT_NOTIFICATION = 0, TIMER_SLOT_SCHED_CONTEXT, TIMER_SLOT_COUNT };
struct timer {
    struct heap_node node; /* in core->timers while armed; key = deadline */
    struct slot slots[TIMER_SLOT_COUNT];
};
_Static_assert(sizeof(struct timer) <= 1u << OBJECT_BITS_TIMER, "a timer takes 128 bytes");

_Static_assert(offsetof(struct endpoint, queue) == 0 && offsetof(struct notification, queue) == 0,
               "thread_set_priority relies on it");

/* --- message.c --- */

/* Copies the message of `sender` (its registers, buffer and, if can_grant, capabilities; or its fault) into
 * `receiver`'s registers and buffer and completes the receiver's system call with `badge`. `endpoint`: capabilities to
 * this one are unwrapped. */
void message_transfer(struct tcb *sender, struct tcb *receiver, word badge, const struct endpoint *endpoint,
                      bool can_grant);
/* Completes a system call without a message. */
void message_complete(struct tcb *tcb, enum error status, word badge);

/* --- endpoint.c --- */

struct send_options {
    word badge;
    bool is_blocking, is_call, can_grant;
};
/* `sender` (running, or faulting with its fault recorded) sends. */
void endpoint_send(struct core *core, struct endpoint *endpoint, struct tcb *sender, struct send_options options);
/* The running thread's call or fault is received at once, by the thread that runs next. False: nothing was done. */
bool endpoint_call_at_once(struct core *core, struct endpoint *endpoint, word badge, bool can_grant);
/* `receiver` (the running thread) receives; reply may be NULL. */
void endpoint_receive(struct core *core, struct endpoint *endpoint, struct tcb *receiver, struct reply *reply,
                      bool is_blocking);
/* A sender leaves the queue. */
void endpoint_sender_remove(struct endpoint *endpoint, struct tcb *sender);
bool endpoint_destroy(struct core *core, struct cap cap);
/* Ends the waiting of all senders with that badge. False: preempted. */
bool endpoint_cancel_badged(struct core *core, struct endpoint *endpoint, word badge);

/* --- notification.c --- */

void notification_signal(struct core *core, struct notification *notification, word badge);
/* The running thread waits or polls. */
void notification_receive(struct core *core, struct notification *notification, struct tcb *tcb, bool is_blocking);
bool notification_destroy(struct core *core, struct cap cap);
void notification_bind(struct notification *notification, struct tcb *tcb);
void notification_unbind(struct tcb *tcb);
/* The context is not lent to waiters of a notification any more. */
void notification_forget_context(struct sched_context *sc);
/* A thread about to wait gives a context back that it had from a notification or from a lender who no longer waits;
 * is_done (it receives): also one that it had only to end its work. */
void thread_give_back(struct core *core, struct tcb *tcb, bool is_done);

/* --- reply.c --- */

/* The receiver `server` took a call from `caller` with this free reply object: links them, lends the context. */
void reply_link(struct core *core, struct reply *reply, struct tcb *caller, struct tcb *server);
/* Answers with the registers of `sender`; nothing if nobody waits. */
void reply_send(struct core *core, struct reply *reply, struct tcb *sender, bool can_grant);
/* The running thread answers and waits for the next call, and the caller is the thread that runs next. False: nothing
 * was done. */
bool reply_receive_at_once(struct core *core, struct reply *reply, struct endpoint *endpoint, bool can_grant);
/* The caller will not be answered by it any more: both are free. The caller's state and context are the matter of who
 * calls. */
void reply_unlink(struct reply *reply);
bool reply_destroy(struct core *core, struct cap cap);

/* --- cancel.c --- */

enum cancel {
    CANCEL_RESTART, /* the interrupted system call will start anew when the thread runs again; a context that it has
                       lent stays where it works until its borrower waits for something new */
    CANCEL_ABORT    /* it ends with ERROR_ABORTED; the context comes back at once, if its borrower has not lent it on */
};
/* Takes a blocked thread out of what it waits for. CANCEL_RESTART leaves it INACTIVE; CANCEL_ABORT makes it ready. */
void thread_cancel(struct core *core, struct tcb *tcb, enum cancel how);
void thread_suspend(struct core *core, struct tcb *tcb);
void thread_resume(struct core *core, struct tcb *tcb);
bool tcb_destroy(struct core *core, struct cap cap);

/* --- timer.c --- */

/* The running thread made it so that the timer will expire: it pays at once if the timer's context cannot. */
void timer_prepay(struct core *core, const struct timer *timer);
void timer_arm(struct core *core, struct timer *timer, uint64_t deadline);
void timer_disarm(struct core *core, struct timer *timer);
/* Signals what is due, at most a fixed number per call. */
void timers_expire(struct core *core, uint64_t now);
bool timer_destroy(struct core *core, struct cap cap);

#endif
