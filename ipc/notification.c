/* Notifications: a word of signals, and threads that wait for one. */
#include <ipc/ipc.h>

void thread_give_back(struct core *core, struct tcb *tcb, bool is_done)
{
    struct sched_context *sc = tcb->sched_context;
    bool is_stranded = is_done && tcb->flags & TCB_FLAG_STRANDED;
    if (tcb->lender && (is_stranded || tcb->lender->state != THREAD_BLOCKED_REPLY))
        sched_context_return(core, tcb);
    else if (!tcb->lender && sc && (is_stranded || sc->notification))
        sched_context_unbind(core, sc);
    if (is_stranded)
        thread_unstrand(core, tcb);
}

static void signal_deliver(struct core *core, struct notification *notification, struct tcb *tcb, word badge)
{
    struct sched_context *sc = notification->sched_context;
    message_complete(tcb, ERROR_NONE, badge);
    if (sc && !sc->tcb && !tcb->sched_context && !tcb->borrower)
        sched_context_give(core, sc, tcb);
    thread_make_ready(core, tcb);
}

void notification_signal(struct core *core, struct notification *notification, word badge)
{
    struct tcb *waiter = notification->queue.head, *bound = notification->bound;
    if (badge == 0)
        badge = 1; /* an unbadged capability: there must be something to see */
    if (waiter) {
        wait_remove(&notification->queue, waiter);
        signal_deliver(core, notification, waiter, badge);
    } else if (bound && bound->state == THREAD_BLOCKED_RECV) {
        queue_remove(&bound->endpoint->queue, bound);
        if (bound->reply)
            bound->reply->server = NULL;
        signal_deliver(core, notification, bound, badge);
    } else {
        notification->signals |= badge;
    }
}

void notification_receive(struct core *core, struct notification *notification, struct tcb *tcb, bool is_blocking)
{
    if (notification->signals || !is_blocking) {
        message_complete(tcb, ERROR_NONE, notification->signals);
        notification->signals = 0;
        return;
    }
    thread_give_back(core, tcb, false);
    thread_stop(core, tcb, THREAD_BLOCKED_WAIT);
    tcb->notification = notification;
    wait_insert(&notification->queue, tcb);
}

void notification_bind(struct notification *notification, struct tcb *tcb)
{
    notification->bound = tcb;
    tcb->bound = notification;
}

void notification_unbind(struct tcb *tcb)
{
    if (tcb->bound) {
        tcb->bound->bound = NULL;
        tcb->bound = NULL;
    }
}

void notification_forget_context(struct sched_context *sc)
{
    if (sc->notification) {
        sc->notification->sched_context = NULL;
        sc->notification = NULL;
    }
}

bool notification_destroy(struct core *core, struct cap cap)
{
    struct notification *notification = cap_object(cap);
    while (notification->queue.head) {
        thread_cancel(core, notification->queue.head, CANCEL_ABORT);
        if (preemption_wanted(core) && notification->queue.head)
            return false;
    }
    if (notification->bound)
        notification_unbind(notification->bound);
    if (notification->sched_context) {
        sched_context_unbind(core, notification->sched_context);
        notification->sched_context->notification = NULL;
        notification->sched_context = NULL;
    }
    return true;
}
