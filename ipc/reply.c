/* Reply objects: the right to answer one call. */
#include <ipc/ipc.h>

void reply_link(struct core *core, struct reply *reply, struct tcb *caller, struct tcb *server)
{
    reply->caller = caller;
    reply->server = server;
    reply->next = server->serving;
    if (server->serving)
        server->serving->prev = reply;
    server->serving = reply;
    caller->reply = reply;
    bool has_context = server->sched_context && !sched_context_is_rescue(server->sched_context);
    if (!has_context && !server->borrower)
        sched_context_lend(core, caller, server);
}

void reply_unlink(struct reply *reply)
{
    if (reply->server->serving == reply)
        reply->server->serving = reply->next;
    else
        reply->prev->next = reply->next;
    if (reply->next)
        reply->next->prev = reply->prev;
    reply->caller = reply->server = NULL;
}

/* The handler's answer to a fault: see abi/fault.h. */
static void fault_answer(struct core *core, struct tcb *caller, const struct tcb *handler)
{
    word info = arch_context_info(&handler->context);
    caller->fault = FAULT_NONE;
    if (message_info_label(info) != 0) {
        thread_stop(core, caller, THREAD_INACTIVE);
        return;
    }
    if (message_info_length(info) >= 1)
        arch_context_set_pc(&caller->context, arch_context_mr(&handler->context, 0));
    if (message_info_length(info) >= 2)
        arch_context_set_sp(&caller->context, arch_context_mr(&handler->context, 1));
    thread_make_ready(core, caller);
}

void reply_send(struct core *core, struct reply *reply, struct tcb *sender, bool can_grant)
{
    struct tcb *caller = reply->caller;
    if (!caller)
        return;
    bool was_lent = caller->borrower != NULL;
    reply_unlink(reply);
    if (was_lent)
        sched_context_return(core, caller->borrower);
    if (caller->fault) {
        fault_answer(core, caller, sender);
        return;
    }
    message_transfer(sender, caller, 0, NULL, can_grant);
    if (was_lent && sched_context_slice_goes_on(caller))
        thread_make_ready_first(core, caller);
    else
        thread_make_ready(core, caller);
}

bool reply_receive_at_once(struct core *core, struct reply *reply, struct endpoint *endpoint, bool can_grant)
{
    struct tcb *server = core->current, *caller = reply->caller;
    struct sched_context *sc = server->sched_context;
    if (core->reschedule || !caller || caller->fault || (server->flags | caller->flags) & TCB_FLAG_STRANDED)
        return false;
    if ((endpoint->queue.head && !endpoint->has_receivers) || (server->bound && server->bound->signals))
        return false;
    if (server->borrower || sc->notification) /* there is something to give back */
        return false;
    bool is_lent = server->lender == caller;
    if (is_lent ? sc->has_ended : server->lender || !thread_has_simple_context(caller))
        return false;
    if (!thread_is_next(core, caller, is_lent && caller->priority == server->priority))
        return false;
    reply_unlink(reply);
    message_transfer(server, caller, 0, NULL, can_grant);
    if (is_lent) {
        server->lender = caller->borrower = NULL;
        server->sched_context = NULL;
        caller->sched_context = sc;
        sc->tcb = caller;
    }
    caller->state = THREAD_RUNNING;
    server->state = THREAD_BLOCKED_RECV;
    server->endpoint = endpoint;
    server->reply = reply;
    reply->server = server;
    endpoint->has_receivers = true;
    queue_append(&endpoint->queue, server);
    thread_give_way(core, caller);
    return true;
}

bool reply_destroy(struct core *core, struct cap cap)
{
    struct reply *reply = cap_object(cap);
    if (reply->caller)
        thread_cancel(core, reply->caller, CANCEL_ABORT);
    else if (reply->server)
        reply->server->reply = NULL; /* it goes on receiving, without */
    return true;
}
