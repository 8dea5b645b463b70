/* Ending a wait before its time, and the end of threads. Nobody waits for the dead. */
#include <ipc/ipc.h>

static void wait_leave(struct tcb *tcb)
{
    switch ((enum thread_state)tcb->state) {
    case THREAD_BLOCKED_SEND:
        endpoint_sender_remove(tcb->endpoint, tcb);
        break;
    case THREAD_BLOCKED_RECV:
        queue_remove(&tcb->endpoint->queue, tcb);
        if (tcb->reply)
            tcb->reply->server = NULL;
        break;
    case THREAD_BLOCKED_WAIT:
        wait_remove(&tcb->notification->queue, tcb);
        break;
    case THREAD_BLOCKED_REPLY:
        reply_unlink(tcb->reply);
        break;
    default:
        break;
    }
}

void thread_cancel(struct core *core, struct tcb *tcb, enum cancel how)
{
    wait_leave(tcb);
    if (how == CANCEL_ABORT && tcb->borrower)
        sched_context_recall(core, tcb->borrower);
    if (tcb->fault == FAULT_NONE && how == CANCEL_ABORT) {
        message_complete(tcb, ERROR_ABORTED, 0);
    } else if (tcb->fault == FAULT_NONE || tcb->fault == FAULT_UNKNOWN_SYSCALL) {
        arch_context_restart(&tcb->context);
    }
    /* A fault whose handler went away happens again, and is offered to the handler's successor. */
    tcb->fault = FAULT_NONE;
    if (how == CANCEL_ABORT)
        thread_make_ready(core, tcb);
    else
        thread_stop(core, tcb, THREAD_INACTIVE);
}

void thread_suspend(struct core *core, struct tcb *tcb)
{
    if (thread_is_blocked(tcb))
        thread_cancel(core, tcb, CANCEL_RESTART);
    else
        thread_stop(core, tcb, THREAD_INACTIVE);
}

void thread_resume(struct core *core, struct tcb *tcb)
{
    if (tcb->state == THREAD_INACTIVE)
        thread_make_ready(core, tcb);
}

bool tcb_destroy(struct core *core, struct cap cap)
{
    struct tcb *tcb = cap_object(cap);
    if (tcb != core->current) /* who deletes itself has to go on with it after an interrupt */
        thread_suspend(core, tcb);
    while (tcb->serving) {
        /* cppcheck-suppress nullPointerRedundantCheck ; cancelling takes the reply off this list */
        thread_cancel(core, tcb->serving->caller, CANCEL_ABORT);
        if (preemption_wanted(core) && tcb->serving)
            return false;
    }
    thread_suspend(core, tcb);
    notification_unbind(tcb);
    sched_context_leave(core, tcb);
    return true;
}
