/* Death of reply objects and scheduling contexts in every state. */
#include "test.h"

#define SENT   0x5e
#define ANSWER 0xa5

static cptr endpoint, inner, reply, inner_reply;

static void setup(enum kill how)
{
    kill_round(how);
    endpoint = object_new(OBJECT_ENDPOINT, 0);
    inner = object_new(OBJECT_ENDPOINT, 0);
    reply = victim_new(OBJECT_REPLY);
    inner_reply = victim_new(OBJECT_REPLY);
}

static bool has_context(const struct actor *a)
{
    cptr spare = object_new(OBJECT_SCHED_CONTEXT, 0);
    OK(sched_control_configure(ROOT_SCHED_CONTROL, spare, 1000000, 1000000, 0, 0));
    enum error error = sched_context_bind(spare, a->thread->tcb);
    if (error == ERROR_NONE)
        OK(cnode_delete(ROOT_CNODE, spare));
    return error == ERROR_ILLEGAL_OPERATION;
}

CASE(death_reply_idle, "An unused reply object dies, and its memory makes another")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        victim_kill(reply, how);
        victim_check_reclaimed(reply);
    }
}

CASE(death_reply_active, "A reply object dies in the hands of an active server: the caller gets ERROR_ABORTED")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *client = actor_calls(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0, SENT);
        struct message m;
        word badge;
        OK(syscall_recv(endpoint, reply, &m, &badge));
        victim_kill(reply, how);
        EQUAL(actor_result(client, 0)->status, ERROR_ABORTED);
        victim_check_reclaimed(reply);
    }
}

CASE(death_reply_passive,
     "A reply object dies while a passive server works: the caller is told and has its context again")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *server = actor_new(PRIORITY_LOW, 0, 0);
        (void)actor_step(server, SYSCALL_RECV, endpoint, reply, NULL);
        (void)actor_step(server, SYSCALL_RECV, endpoint, inner_reply, NULL);
        actor_start(server);
        sleep_ns(100000);
        thread_make_passive(server->thread);
        struct actor *client = actor_calls(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0, SENT);
        CHECK(actor_waits_in(client, 0));
        victim_kill(reply, how);
        EQUAL(actor_result(client, 0)->status, ERROR_ABORTED);
        CHECK(has_context(client));
        CHECK(!has_context(server));
        EQUAL(server->done, 0); /* it has its message, and no time */
        OK(sched_context_bind(server->thread->sched_context, server->thread->tcb));
        sleep_ns(100000);
        EQUAL(actor_result(server, 0)->m.words[0], SENT);
    }
}

CASE(death_reply_offered, "A reply object dies under a receiver: it receives a Send, and a Call is refused at once")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *server = actor_calls(PRIORITY_HIGH, SYSCALL_RECV, endpoint, reply, 0);
        victim_kill(reply, how);
        CHECK(actor_waits_in(server, 0));
        struct actor *client = actor_calls(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0, SENT);
        EQUAL(actor_result(client, 0)->status, ERROR_ABORTED);
        CHECK(actor_waits_in(server, 0));
        struct message m = {message_info(0, 0, 1), {SENT}};
        OK(syscall_send(endpoint, &m));
        EQUAL(actor_result(server, 0)->status, ERROR_NONE);
        EQUAL(actor_result(server, 0)->m.words[0], SENT);
    }
}

/* client -> outer (passive) -> innermost (passive, of low priority, at work). */
static struct actor *client, *outer, *innermost;

static void chain(cptr second_reply)
{
    outer = actor_new(PRIORITY_HIGH, 0, 0);
    innermost = actor_new(PRIORITY_LOW, 0, 0);
    struct message m = {message_info(0, 0, 1), {SENT}};
    (void)actor_step(outer, SYSCALL_RECV, endpoint, reply, NULL);
    (void)actor_step(outer, SYSCALL_CALL, inner, 0, &m);
    m.words[0] = ANSWER;
    (void)actor_step(outer, SYSCALL_REPLY_RECV, endpoint, second_reply, &m);
    (void)actor_step(innermost, SYSCALL_RECV, inner, inner_reply, NULL);
    actor_step(innermost, SYSCALL_REPLY_RECV, inner, inner_reply, NULL)->is_echo = true;
    actor_start(outer);
    actor_start(innermost);
    sleep_ns(100000);
    thread_make_passive(outer->thread);
    thread_make_passive(innermost->thread);
    client = actor_calls(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0, SENT);
    CHECK(actor_waits_in(client, 0) && actor_waits_in(outer, 1) && actor_waits_in(innermost, 0));
}

CASE(death_reply_chain_complete, "A call through two passive servers comes back, and each has its own again")
{
    setup(KILL_DELETE);
    chain(reply);
    sleep_ns(100000);
    EQUAL(actor_result(client, 0)->status, ERROR_NONE);
    EQUAL(actor_result(client, 0)->m.words[0], ANSWER);
    CHECK(has_context(client) && !has_context(outer) && !has_context(innermost));
}

CASE(death_reply_chain_inner,
     "The inner reply object of a chain dies: the outer server is told, and answers its client")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        chain(reply);
        victim_kill(inner_reply, how);
        EQUAL(actor_result(outer, 1)->status, ERROR_ABORTED);
        EQUAL(actor_result(client, 0)->status, ERROR_NONE);
        EQUAL(actor_result(client, 0)->m.words[0], ANSWER);
        CHECK(has_context(client) && !has_context(innermost));
    }
}

CASE(death_reply_chain_outer,
     "The outer reply object of a chain dies: the client is told when the inner server is through")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        chain(object_new(OBJECT_REPLY, 0));
        victim_kill(reply, how);
        sleep_ns(200000);
        EQUAL(actor_result(client, 0)->status, ERROR_ABORTED);
        CHECK(has_context(client) && !has_context(outer));
        EQUAL(actor_result(outer, 1)->status, ERROR_NONE);
        CHECK(actor_waits_in(outer, 2));
    }
}

CASE(death_reply_chain_fault,
     "The same, and the outer server then stops with a fault: the client's context comes back all the same")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        chain(reply); /* which is gone when it is used again */
        victim_kill(reply, how);
        sleep_ns(200000);
        EQUAL(actor_result(client, 0)->status, ERROR_ABORTED);
        CHECK(has_context(client) && !has_context(outer));
    }
}

CASE(death_chain_innermost, "The innermost server of a chain dies: the outer one goes on with the client's context")
{
    setup(KILL_DELETE);
    chain(reply);
    OK(cnode_delete(ROOT_CNODE, innermost->thread->tcb));
    EQUAL(actor_result(outer, 1)->status, ERROR_ABORTED);
    EQUAL(actor_result(client, 0)->m.words[0], ANSWER);
    CHECK(has_context(client) && !has_context(outer));
}

CASE(death_chain_client, "The client of a chain dies: both servers complete and are ready for the next")
{
    setup(KILL_DELETE);
    chain(reply);
    OK(cnode_delete(ROOT_CNODE, client->thread->tcb));
    sleep_ns(200000);
    CHECK(actor_waits_in(outer, 2));
    OK(sched_context_unbind(client->thread->sched_context));
    struct message m = {message_info(0, 0, 1), {1}};
    OK(syscall_nbsend(endpoint, &m));
    OK(sched_context_bind(client->thread->sched_context, outer->thread->tcb));
    EQUAL(actor_result(outer, 2)->m.words[0], 1);
}

CASE(death_reply_of_fault,
     "A reply object dies with a fault in it: the thread faults again, and the next handler answers")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *a = actor_new(PRIORITY_HIGH, 0, endpoint);
        cptr empty = slot_new();
        (void)actor_step(a, SYSCALL_CALL, empty, 0, NULL);
        actor_start(a);
        struct message m;
        word badge;
        OK(syscall_recv(endpoint, reply, &m, &badge));
        EQUAL(message_info_label(m.info), FAULT_CAPABILITY);
        victim_kill(reply, how);
        OK(syscall_recv(endpoint, inner_reply, &m, &badge));
        EQUAL(message_info_label(m.info), FAULT_CAPABILITY);
        EQUAL(m.words[2], empty);
        OK(cnode_copy(ROOT_CNODE, empty, ROOT_CNODE, inner, RIGHT_ALL));
        m.info = message_info(0, 0, 0);
        OK(syscall_send(inner_reply, &m)); /* the call is made again, and blocks */
        CHECK(actor_waits_in(a, 0));
        OK(syscall_recv(inner, inner_reply, &m, &badge));
        OK(syscall_send(inner_reply, &m));
        EQUAL(actor_result(a, 0)->status, ERROR_NONE);
    }
}

/* --- scheduling contexts --- */

/* A thread with a context that can die. */
static struct actor *with_context(word priority, cptr *context)
{
    struct actor *a = actor_new(priority, 0, 0);
    *context = victim_new(OBJECT_SCHED_CONTEXT);
    thread_make_passive(a->thread);
    OK(sched_control_configure(ROOT_SCHED_CONTROL, *context, 1000000, 1000000, 0, 0));
    OK(sched_context_bind(*context, a->thread->tcb));
    return a;
}

CASE(death_context_ready, "The context of a ready thread dies: it goes on where it was with another")
{
    for (enum kill how = 0; how < KILLS; how++) {
        cptr context;
        kill_round(how);
        struct actor *a = with_context(PRIORITY_LOW, &context);
        (void)actor_step(a, SYSCALL_YIELD, 0, 0, NULL);
        actor_start(a);
        victim_kill(context, how);
        sleep_ns(100000);
        EQUAL(a->done, 0);
        OK(sched_context_bind(a->thread->sched_context, a->thread->tcb));
        sleep_ns(100000);
        EQUAL(a->done, 1);
        victim_check_reclaimed(context);
    }
}

CASE(death_context_receiver, "The context of a receiver dies: it is a passive server from then on")
{
    for (enum kill how = 0; how < KILLS; how++) {
        cptr context;
        setup(how);
        struct actor *a = with_context(PRIORITY_HIGH, &context);
        (void)actor_step(a, SYSCALL_RECV, endpoint, reply, NULL);
        actor_step(a, SYSCALL_REPLY_RECV, endpoint, reply, NULL)->is_echo = true;
        a->repeats = true;
        actor_start(a);
        victim_kill(context, how);
        CHECK(!has_context(a));
        for (word i = 0; i < 3; i++) {
            struct message m = {message_info(0, 0, 1), {i}};
            OK(syscall_call(endpoint, &m));
            EQUAL(m.words[0], i);
        }
        CHECK(!has_context(a));
    }
}

static void context_dies_waiting(enum syscall number)
{
    for (enum kill how = 0; how < KILLS; how++) {
        cptr context;
        setup(how);
        struct actor *a = with_context(PRIORITY_HIGH, &context);
        struct message m = {message_info(0, 0, 1), {SENT}};
        (void)actor_step(a, number, endpoint, 0, &m);
        actor_start(a);
        victim_kill(context, how);
        word badge;
        OK(syscall_recv(endpoint, reply, &m, &badge));
        EQUAL(m.words[0], SENT);
        if (number == SYSCALL_CALL)
            OK(syscall_send(reply, &m));
        EQUAL(a->done, 0);
        OK(sched_context_bind(a->thread->sched_context, a->thread->tcb));
        EQUAL(actor_result(a, 0)->status, ERROR_NONE);
    }
}

CASE(death_context_sender,
     "The context of a queued sender dies: its message is received, and it waits for another context")
{
    context_dies_waiting(SYSCALL_SEND);
}

CASE(death_context_caller,
     "The context of a queued caller dies: it is received and answered, and waits for another context")
{
    context_dies_waiting(SYSCALL_CALL);
}

static volatile bool stop;

static void spin(word unused)
{
    (void)unused;
    while (!stop) {
    }
}

CASE(death_context_spent, "A context dies that waits for its next period: a new one lets the thread run at once")
{
    for (enum kill how = 0; how < KILLS; how++) {
        kill_round(how);
        cptr context = victim_new(OBJECT_SCHED_CONTEXT);
        struct thread *t = thread_new(spin, 0, PRIORITY_HIGH, 0);
        thread_make_passive(t);
        OK(sched_control_configure(ROOT_SCHED_CONTROL, context, 100000, 100000000, 0, 0));
        OK(sched_context_bind(context, t->tcb));
        stop = false;
        thread_start(t); /* until its budget is gone */
        word before, after;
        OK(sched_context_consumed(t->sched_context, &before));
        victim_kill(context, how);
        stop = true;
        OK(sched_context_bind(t->sched_context, t->tcb));
        OK(sched_context_consumed(t->sched_context, &after));
        CHECK(after > 0);
        victim_check_reclaimed(context);
    }
}

CASE(death_context_own, "A thread deletes its own scheduling context: it stops there, and goes on with another")
{
    cptr context;
    struct actor *a = with_context(PRIORITY_HIGH, &context);
    struct message m = {message_info(CNODE_DELETE, 0, 2), {context, 1}};
    (void)actor_step(a, SYSCALL_CALL, ROOT_CNODE, 0, &m);
    actor_start(a);
    EQUAL(a->done, 0);
    OK(sched_context_bind(a->thread->sched_context, a->thread->tcb));
    EQUAL(message_info_label(actor_result(a, 0)->m.info), ERROR_NONE);
    CHECK(!slot_is_used(context));
}

CASE(death_context_of_notification,
     "A context dies that a notification had lent: the borrower stops, the notification takes another")
{
    for (enum kill how = 0; how < KILLS; how++) {
        kill_round(how);
        cptr context = victim_new(OBJECT_SCHED_CONTEXT), ntfn = object_new(OBJECT_NOTIFICATION, 0);
        struct actor *a = actor_new(PRIORITY_LOW, 0, 0);
        (void)actor_step(a, SYSCALL_WAIT, ntfn, 0, NULL);
        actor_start(a);
        sleep_ns(100000);
        thread_make_passive(a->thread);
        OK(sched_control_configure(ROOT_SCHED_CONTROL, context, 1000000, 1000000, 0, 0));
        OK(sched_context_bind(context, ntfn));
        notification_signal(ntfn);
        victim_kill(context, how);
        sleep_ns(100000);
        EQUAL(a->done, 0);
        OK(sched_context_bind(a->thread->sched_context, ntfn));
        OK(sched_context_unbind(a->thread->sched_context));
        OK(sched_context_bind(a->thread->sched_context, a->thread->tcb));
        sleep_ns(100000);
        EQUAL(actor_result(a, 0)->destination, 1);
    }
}

CASE(death_context_of_timer, "The context that a timer is charged to dies: the timer still fires")
{
    for (enum kill how = 0; how < KILLS; how++) {
        kill_round(how);
        cptr context = victim_new(OBJECT_SCHED_CONTEXT), ntfn = object_new(OBJECT_NOTIFICATION, 0);
        cptr timer = object_new(OBJECT_TIMER, 0);
        OK(sched_control_configure(ROOT_SCHED_CONTROL, context, 1000000, 1000000, 0, 0));
        OK(timer_bind(timer, ntfn, context));
        OK(timer_set(timer, ticks_now() + ns_to_ticks(100000)));
        victim_kill(context, how);
        EQUAL(notification_wait(ntfn), 1);
        victim_check_reclaimed(context);
    }
}

CASE(death_timer_armed, "An armed timer dies in all ways: it never fires, the others do, one made in its memory too")
{
    for (enum kill how = 0; how < KILLS; how++) {
        kill_round(how);
        cptr ntfn = object_new(OBJECT_NOTIFICATION, 0), timers[3],
             untyped = object_new(OBJECT_UNTYPED, OBJECT_BITS_TIMER);
        for (word i = 0; i < 3; i++) {
            timers[i] = slot_new();
            OK(untyped_retype_all(i == 1 ? untyped : harness_untyped(), OBJECT_TIMER, 0, ROOT_CNODE, timers[i], 1));
            OK(timer_bind(timers[i], minted(ntfn, RIGHT_SEND, 1ul << i), ROOT_SCHED_CONTEXT));
            OK(timer_set(timers[i], ticks_now() + ns_to_ticks(300000 + 50000 * (i ^ 1))));
        }
        if (how == KILL_DELETE) {
            OK(cnode_delete(ROOT_CNODE, timers[1]));
        } else if (how == KILL_CNODE) {
            cptr cnode = object_new(OBJECT_CNODE, 2);
            OK(cnode_move(cnode, 3, ROOT_CNODE, timers[1]));
            OK(cnode_delete(ROOT_CNODE, cnode));
        } else {
            OK(cnode_revoke(ROOT_CNODE, untyped));
        }
        OK(untyped_retype_all(untyped, OBJECT_TIMER, 0, ROOT_CNODE, timers[1], 1));
        OK(timer_bind(timers[1], minted(ntfn, RIGHT_SEND, 8), ROOT_SCHED_CONTEXT));
        OK(timer_set(timers[1], ticks_now() + ns_to_ticks(400000)));
        spin_ns(900000);
        EQUAL(notification_poll(ntfn), 13);
    }
}
