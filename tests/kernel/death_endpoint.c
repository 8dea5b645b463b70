/* Death of endpoints and notifications: whoever waits there is told, whoever holds a right from there goes on. */
#include "test.h"

#define SENT   0x5e
#define ANSWER 0xa5

static cptr endpoint, reply;

static void setup(enum kill how)
{
    kill_round(how);
    endpoint = victim_new(OBJECT_ENDPOINT);
    reply = object_new(OBJECT_REPLY, 0);
}

/* The endpoint dies while one thread waits in `number` on it: it gets ERROR_ABORTED and its memory is free. */
static void aborts(enum syscall number, bool with_reply)
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *a = actor_calls(PRIORITY_HIGH, number, endpoint, with_reply ? reply : 0, SENT);
        CHECK(actor_waits_in(a, 0));
        victim_kill(endpoint, how);
        EQUAL(actor_result(a, 0)->status, ERROR_ABORTED);
        EQUAL(actor_result(a, 0)->destination, 0);
        EQUAL(actor_result(a, 0)->m.info, 0);
        victim_check_reclaimed(endpoint);
    }
}

CASE(death_endpoint_send, "Endpoint dies under a queued Send: ERROR_ABORTED, in all three ways to die")
{
    aborts(SYSCALL_SEND, false);
}

CASE(death_endpoint_call, "Endpoint dies under a queued Call: ERROR_ABORTED")
{
    aborts(SYSCALL_CALL, false);
}

CASE(death_endpoint_wait, "Endpoint dies under a Wait: ERROR_ABORTED")
{
    aborts(SYSCALL_WAIT, false);
}

CASE(death_endpoint_recv, "Endpoint dies under a Recv: ERROR_ABORTED, and the reply object serves elsewhere")
{
    aborts(SYSCALL_RECV, true);
    cptr other = object_new(OBJECT_ENDPOINT, 0);
    (void)actor_serves(PRIORITY_HIGH, 0, other, reply);
    struct message m = {message_info(0, 0, 1), {SENT}};
    OK(syscall_call(other, &m));
    EQUAL(m.words[0], SENT);
}

CASE(death_endpoint_reply_recv,
     "Endpoint dies under a ReplyRecv: the answer went out, the receive ends in ERROR_ABORTED")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *server = actor_serves(PRIORITY_HIGH, 0, endpoint, reply);
        server->repeats = false;
        struct message m = {message_info(0, 0, 1), {SENT}};
        OK(syscall_call(endpoint, &m));
        EQUAL(m.words[0], SENT);
        CHECK(actor_waits_in(server, 1));
        victim_kill(endpoint, how);
        EQUAL(actor_result(server, 1)->status, ERROR_ABORTED);
    }
}

CASE(death_endpoint_many, "Endpoint dies with ten senders and callers of several badges and priorities: all are told")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *a[4];
        for (word i = 0; i < COUNT(a); i++) {
            cptr badged = minted(endpoint, RIGHT_ALL, i);
            a[i] = actor_calls(PRIORITY_HIGH + i % 3, i % 2 ? SYSCALL_CALL : SYSCALL_SEND, badged, 0, SENT + i);
        }
        victim_kill(endpoint, how);
        for (word i = 0; i < COUNT(a); i++) {
            NOTE(i);
            EQUAL(actor_result(a[i], 0)->status, ERROR_ABORTED);
        }
    }
}

CASE(death_endpoint_receivers, "Endpoint dies with several receivers: all are told")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *a[3];
        for (word i = 0; i < COUNT(a); i++)
            a[i] = actor_calls(PRIORITY_HIGH, i == 1 ? SYSCALL_WAIT : SYSCALL_RECV, endpoint,
                               i == 1 ? 0 : object_new(OBJECT_REPLY, 0), 0);
        victim_kill(endpoint, how);
        for (word i = 0; i < COUNT(a); i++) {
            NOTE(i);
            EQUAL(actor_result(a[i], 0)->status, ERROR_ABORTED);
        }
    }
}

CASE(death_endpoint_in_flight, "Endpoint dies after its message was received: the answer still arrives")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *client = actor_calls(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0, SENT);
        struct message m;
        word badge;
        OK(syscall_recv(endpoint, reply, &m, &badge));
        EQUAL(m.words[0], SENT);
        victim_kill(endpoint, how);
        CHECK(actor_waits_in(client, 0));
        m = (struct message){message_info(0, 0, 1), {ANSWER}};
        OK(syscall_send(reply, &m));
        EQUAL(actor_result(client, 0)->status, ERROR_NONE);
        EQUAL(actor_result(client, 0)->m.words[0], ANSWER);
    }
}

CASE(death_endpoint_copy_remains, "An endpoint lives as long as one capability to it, of whatever badge")
{
    setup(KILL_DELETE);
    cptr badged = minted(endpoint, RIGHT_ALL, 5), copy = slot_new();
    OK(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, badged, RIGHT_ALL));
    struct actor *a = actor_calls(PRIORITY_HIGH, SYSCALL_SEND, badged, 0, SENT);
    OK(cnode_delete(ROOT_CNODE, endpoint));
    OK(cnode_delete(ROOT_CNODE, badged));
    CHECK(actor_waits_in(a, 0));
    struct message m;
    word badge;
    OK(syscall_recv(copy, reply, &m, &badge));
    EQUAL(badge, 5);
    EQUAL(m.words[0], SENT);
    EQUAL(actor_result(a, 0)->status, ERROR_NONE);
}

CASE(death_endpoint_passive, "Endpoint dies under a passive receiver: it is told once it has time again")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *server = actor_new(PRIORITY_HIGH, ACTOR_PASSIVE, 0);
        (void)actor_step(server, SYSCALL_RECV, endpoint, reply, NULL);
        actor_start(server);
        victim_kill(endpoint, how);
        CHECK(actor_waits_in(server, 0));
        OK(sched_context_bind(server->thread->sched_context, server->thread->tcb));
        EQUAL(actor_result(server, 0)->status, ERROR_ABORTED);
    }
}

CASE(death_endpoint_bound, "Endpoint dies under a receiver with a bound notification, which stays bound and works")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        cptr ntfn = object_new(OBJECT_NOTIFICATION, 0), other = object_new(OBJECT_ENDPOINT, 0);
        struct actor *a = actor_new(PRIORITY_HIGH, 0, 0);
        (void)actor_step(a, SYSCALL_RECV, endpoint, reply, NULL);
        (void)actor_step(a, SYSCALL_WAIT, other, 0, NULL);
        OK(tcb_bind_notification(a->thread->tcb, ntfn));
        actor_start(a);
        victim_kill(endpoint, how);
        EQUAL(actor_result(a, 0)->status, ERROR_ABORTED);
        CHECK(actor_waits_in(a, 1));
        notification_signal(minted(ntfn, RIGHT_SEND, 0x40));
        EQUAL(actor_result(a, 1)->destination, 0x40);
    }
}

/* --- notifications --- */

CASE(death_notification_wait, "Notification dies under two waiters: ERROR_ABORTED, badge 0")
{
    for (enum kill how = 0; how < KILLS; how++) {
        kill_round(how);
        cptr ntfn = victim_new(OBJECT_NOTIFICATION);
        struct actor *a = actor_calls(PRIORITY_HIGH, SYSCALL_WAIT, ntfn, 0, 0);
        struct actor *b = actor_calls(PRIORITY_HIGH, SYSCALL_RECV, ntfn, 0, 0);
        CHECK(actor_waits_in(a, 0) && actor_waits_in(b, 0));
        victim_kill(ntfn, how);
        EQUAL(actor_result(a, 0)->status, ERROR_ABORTED);
        EQUAL(actor_result(b, 0)->status, ERROR_ABORTED);
        EQUAL(actor_result(b, 0)->destination, 0);
        victim_check_reclaimed(ntfn);
    }
}

CASE(death_notification_bound,
     "A bound notification dies under a receiver: the receive goes on, the next one can be bound")
{
    for (enum kill how = 0; how < KILLS; how++) {
        kill_round(how);
        cptr ntfn = victim_new(OBJECT_NOTIFICATION), next = object_new(OBJECT_NOTIFICATION, 0);
        endpoint = object_new(OBJECT_ENDPOINT, 0);
        struct actor *a = actor_new(PRIORITY_HIGH, 0, 0);
        (void)actor_step(a, SYSCALL_WAIT, endpoint, 0, NULL);
        (void)actor_step(a, SYSCALL_WAIT, endpoint, 0, NULL);
        OK(tcb_bind_notification(a->thread->tcb, ntfn));
        actor_start(a);
        victim_kill(ntfn, how);
        CHECK(actor_waits_in(a, 0));
        EQUAL(tcb_unbind_notification(a->thread->tcb), ERROR_ILLEGAL_OPERATION);
        OK(tcb_bind_notification(a->thread->tcb, next));
        struct message m = {message_info(0, 0, 1), {SENT}};
        OK(syscall_nbsend(endpoint, &m));
        EQUAL(actor_result(a, 0)->m.words[0], SENT);
        notification_signal(next);
        EQUAL(actor_result(a, 1)->destination, 1);
    }
}

CASE(death_notification_of_timer, "A timer whose notification died expires into nothing and cannot be set again")
{
    for (enum kill how = 0; how < KILLS; how++) {
        kill_round(how);
        cptr ntfn = victim_new(OBJECT_NOTIFICATION), timer = object_new(OBJECT_TIMER, 0);
        OK(timer_bind(timer, ntfn, ROOT_SCHED_CONTEXT));
        OK(timer_set(timer, ticks_now() + ns_to_ticks(200000)));
        victim_kill(ntfn, how);
        spin_ns(400000);
        EQUAL(timer_set(timer, ticks_now()), ERROR_ILLEGAL_OPERATION);
        OK(timer_cancel(timer));
        victim_check_reclaimed(ntfn);
    }
}

CASE(death_notification_with_context,
     "Notification dies that has lent its context: the context is free, the borrower waits")
{
    for (enum kill how = 0; how < KILLS; how++) {
        kill_round(how);
        cptr ntfn = victim_new(OBJECT_NOTIFICATION), other = object_new(OBJECT_ENDPOINT, 0);
        struct actor *a = actor_new(PRIORITY_LOW, ACTOR_PASSIVE, 0);
        (void)actor_step(a, SYSCALL_WAIT, ntfn, 0, NULL);
        (void)actor_step(a, SYSCALL_SEND, other, 0, NULL);
        thread_start(a->thread);
        sleep_ns(100000);
        thread_make_passive(a->thread);
        OK(sched_context_bind(a->thread->sched_context, ntfn));
        notification_signal(ntfn); /* it has the context now, but the root task runs first */
        victim_kill(ntfn, how);
        sleep_ns(100000);
        CHECK(actor_waits_in(a, 0));
        OK(sched_context_bind(a->thread->sched_context, a->thread->tcb));
        sleep_ns(100000);
        EQUAL(actor_result(a, 0)->destination, 1);
        CHECK(actor_waits_in(a, 1));
    }
}

CASE(death_notification_pending, "Notification dies with signals on it, and its memory begins anew without them")
{
    for (enum kill how = 0; how < KILLS; how++) {
        kill_round(how);
        cptr untyped = object_new(OBJECT_UNTYPED, OBJECT_BITS_NOTIFICATION), ntfn = slot_new();
        OK(untyped_retype_all(untyped, OBJECT_NOTIFICATION, 0, ROOT_CNODE, ntfn, 1));
        notification_signal(minted(ntfn, RIGHT_SEND, ~0ul));
        OK(cnode_revoke(ROOT_CNODE, untyped));
        OK(untyped_retype_all(untyped, OBJECT_NOTIFICATION, 0, ROOT_CNODE, ntfn, 1));
        EQUAL(notification_poll(ntfn), 0);
    }
}
