/* Endpoints: synchronous message passing. */
#include <ipc/ipc.h>

#define CANCEL_STEPS 256 /* senders with other badges passed between preemption points */

/* A call that this receiver cannot answer: it brought no reply object. */
static void call_refuse(struct core *core, struct tcb *sender)
{
    if (sender->fault) {
        sender->fault = FAULT_NONE;
        thread_stop(core, sender, THREAD_INACTIVE);
        return;
    }
    message_complete(sender, ERROR_ABORTED, 0);
    thread_make_ready(core, sender);
}

static void endpoint_enqueue(struct core *core, struct endpoint *endpoint, struct tcb *tcb, enum thread_state state)
{
    thread_stop(core, tcb, state);
    tcb->endpoint = endpoint;
    endpoint->has_receivers = state == THREAD_BLOCKED_RECV;
    if (state == THREAD_BLOCKED_RECV)
        queue_append(&endpoint->queue, tcb);
    else
        wait_insert(&endpoint->queue, tcb);
}

/* The receiver got something that is no call: the reply object that it offered is free. */
static void offer_withdraw(struct tcb *receiver)
{
    if (receiver->reply)
        receiver->reply->server = NULL;
}

void endpoint_send(struct core *core, struct endpoint *endpoint, struct tcb *sender, struct send_options options)
{
    struct tcb *receiver = endpoint->queue.head;
    if (!receiver || !endpoint->has_receivers) {
        if (options.is_blocking) {
            sender->badge = options.badge;
            sender->is_call = options.is_call;
            sender->can_grant = options.can_grant;
            endpoint_enqueue(core, endpoint, sender, THREAD_BLOCKED_SEND);
        } else {
            message_complete(sender, ERROR_NONE, 0);
        }
        return;
    }
    if (options.is_call && !receiver->reply) {
        call_refuse(core, sender);
        return;
    }
    queue_remove(&endpoint->queue, receiver);
    message_transfer(sender, receiver, options.badge, endpoint, options.can_grant);
    if (options.is_call) {
        struct reply *reply = receiver->reply;
        offer_withdraw(receiver);
        thread_stop(core, sender, THREAD_BLOCKED_REPLY);
        reply_link(core, reply, sender, receiver);
    } else {
        offer_withdraw(receiver);
        message_complete(sender, ERROR_NONE, 0);
    }
    if (receiver->lender == sender)
        thread_make_ready_first(core, receiver);
    else
        thread_make_ready(core, receiver);
}

void endpoint_sender_remove(struct endpoint *endpoint, struct tcb *sender)
{
    if (endpoint->cancel_next == sender) {
        endpoint->cancel_next = sender->queue_next;
        if (sender->queue_next)
            sender->queue_next->cancel_badge = sender->cancel_badge;
    }
    wait_remove(&endpoint->queue, sender);
}

bool endpoint_call_at_once(struct core *core, struct endpoint *endpoint, word badge, bool can_grant)
{
    struct tcb *sender = core->current, *receiver = endpoint->queue.head;
    if (core->reschedule || !receiver || !endpoint->has_receivers || !receiver->reply)
        return false;
    bool is_lent = receiver->sched_context == NULL;
    if ((sender->flags | receiver->flags) & TCB_FLAG_STRANDED)
        return false;
    if (is_lent ? receiver->borrower != NULL : !thread_has_simple_context(receiver))
        return false;
    if (!thread_is_next(core, receiver, is_lent && receiver->priority == sender->priority))
        return false;
    endpoint->queue.head = receiver->queue_next;
    message_transfer(sender, receiver, badge, endpoint, can_grant);
    sender->state = THREAD_BLOCKED_REPLY;
    receiver->state = THREAD_RUNNING;
    reply_link(core, receiver->reply, sender, receiver);
    thread_give_way(core, receiver);
    return true;
}

/* Takes the first sender that this receiver can serve; false when there is none. True as well when it was preempted
 * while it refused some: the receiver's system call is made again. */
static bool endpoint_take(struct core *core, struct endpoint *endpoint, struct tcb *receiver, struct reply *reply)
{
    struct tcb *sender;
    while ((sender = endpoint->queue.head) != NULL) {
        endpoint_sender_remove(endpoint, sender);
        if (sender->is_call && !reply) {
            call_refuse(core, sender);
            if (!preemption_wanted(core))
                continue;
            arch_context_restart(&receiver->context);
            return true;
        }
        message_transfer(sender, receiver, sender->badge, endpoint, sender->can_grant);
        if (sender->is_call) {
            sender->state = THREAD_BLOCKED_REPLY;
            reply_link(core, reply, sender, receiver);
        } else {
            message_complete(sender, ERROR_NONE, 0);
            thread_make_ready(core, sender);
        }
        return true;
    }
    return false;
}

void endpoint_receive(struct core *core, struct endpoint *endpoint, struct tcb *receiver, struct reply *reply,
                      bool is_blocking)
{
    if (receiver->bound && receiver->bound->signals) {
        message_complete(receiver, ERROR_NONE, receiver->bound->signals);
        receiver->bound->signals = 0;
        return;
    }
    if (!endpoint->has_receivers && endpoint_take(core, endpoint, receiver, reply))
        return;
    if (!is_blocking) {
        message_complete(receiver, ERROR_NONE, 0);
        return;
    }
    thread_give_back(core, receiver, true);
    receiver->reply = reply;
    if (reply)
        reply->server = receiver;
    endpoint_enqueue(core, endpoint, receiver, THREAD_BLOCKED_RECV);
}

bool endpoint_destroy(struct core *core, struct cap cap)
{
    struct endpoint *endpoint = cap_object(cap);
    while (endpoint->queue.head) {
        thread_cancel(core, endpoint->queue.head, CANCEL_ABORT);
        if (preemption_wanted(core))
            return endpoint->queue.head == NULL;
    }
    return true;
}

bool endpoint_cancel_badged(struct core *core, struct endpoint *endpoint, word badge)
{
    struct tcb *tcb = endpoint->cancel_next, *next;
    if (endpoint->has_receivers)
        return true;
    if (!tcb || tcb->cancel_badge != badge) /* a walk for another badge begins anew when it comes back */
        tcb = endpoint->queue.head;
    endpoint->cancel_next = NULL;
    for (unsigned passed = 0; tcb; tcb = next) {
        next = tcb->queue_next;
        bool is_wanted = tcb->badge == badge;
        if (is_wanted)
            thread_cancel(core, tcb, CANCEL_ABORT);
        else if (++passed % CANCEL_STEPS != 0)
            continue;
        if (next && preemption_wanted(core)) {
            endpoint->cancel_next = next;
            next->cancel_badge = badge;
            return false;
        }
    }
    return true;
}
