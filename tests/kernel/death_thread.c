/* Death of threads in every state: those who wait for it are told, nothing that it waited in remembers it, and the
 * time that it was lent goes back. */
#include "test.h"

#define SENT   0x5e
#define ANSWER 0xa5

static cptr endpoint, reply, notification;

static void setup(enum kill how)
{
    kill_round(how);
    endpoint = object_new(OBJECT_ENDPOINT, 0);
    reply = object_new(OBJECT_REPLY, 0);
    notification = object_new(OBJECT_NOTIFICATION, 0);
}

/* A mortal thread that makes one call. */
static struct actor *mortal(word priority, enum syscall number, cptr to, cptr with)
{
    struct actor *a = actor_mortal(priority, 0, 0);
    struct message m = {message_info(0, 0, 1), {SENT}};
    (void)actor_step(a, number, to, with, &m);
    actor_start(a);
    return a;
}

/* After the death its context belongs to nobody: another thread runs on it. */
static void context_is_free(const struct actor *dead, enum kill how)
{
    if (how == KILL_UNTYPED)
        return; /* it went, too */
    struct actor *heir = actor_new(PRIORITY_HIGH, 0, 0);
    (void)actor_step(heir, SYSCALL_YIELD, 0, 0, NULL);
    thread_make_passive(heir->thread);
    actor_start(heir);
    EQUAL(heir->done, 0);
    OK(sched_context_bind(dead->thread->sched_context, heir->thread->tcb));
    EQUAL(heir->done, 1);
}

static void endpoint_is_empty(void)
{
    struct message m;
    word badge;
    OK(syscall_nbrecv(endpoint, reply, &m, &badge));
    EQUAL(m.info, 0);
}

CASE(death_thread_inactive, "A thread that never ran dies: its scheduling context is free")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *a = actor_mortal(PRIORITY_HIGH, 0, 0);
        actor_kill(a, how);
        context_is_free(a, how);
    }
}

CASE(death_thread_ready, "A thread in the ready queue dies: it never runs, the others behind it do")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *a = mortal(PRIORITY_LOW, SYSCALL_YIELD, 0, 0);
        struct actor *next = actor_calls(PRIORITY_LOW, SYSCALL_YIELD, 0, 0, 0);
        actor_kill(a, how);
        sleep_ns(100000);
        EQUAL(a->done, 0);
        EQUAL(next->done, 1);
        context_is_free(a, how);
    }
}

static volatile bool stop;

static void spin(word unused)
{
    (void)unused;
    while (!stop) {
    }
}

CASE(death_thread_out_of_budget, "A thread that waits for its next budget dies: its context serves another")
{
    struct thread *t = thread_new(spin, 0, PRIORITY_HIGH, 0);
    stop = false;
    OK(sched_control_configure(ROOT_SCHED_CONTROL, t->sched_context, 100000, 1000000000, 0, 0));
    thread_start(t);
    OK(cnode_delete(ROOT_CNODE, t->tcb)); /* we are here: its budget is gone */
    stop = true;
    struct actor *heir = actor_new(PRIORITY_HIGH, 0, 0);
    (void)actor_step(heir, SYSCALL_YIELD, 0, 0, NULL);
    thread_make_passive(heir->thread);
    actor_start(heir);
    OK(sched_context_bind(t->sched_context, heir->thread->tcb));
    EQUAL(heir->done, 0); /* the debt is the context's, not the thread's */
    OK(sched_control_configure(ROOT_SCHED_CONTROL, t->sched_context, 100000, 1000000000, 0, 0));
    EQUAL(heir->done, 1);
}

static void dies_sending(enum syscall number)
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *before = actor_calls(PRIORITY_HIGH, SYSCALL_SEND, endpoint, 0, 1);
        struct actor *a = mortal(PRIORITY_HIGH, number, endpoint, 0);
        struct actor *after = actor_calls(PRIORITY_HIGH, SYSCALL_SEND, endpoint, 0, 2);
        actor_kill(a, how);
        struct message m;
        word badge;
        for (word i = 1; i <= 2; i++) {
            OK(syscall_recv(endpoint, reply, &m, &badge));
            EQUAL(m.words[0], i);
        }
        EQUAL(actor_result(before, 0)->status, ERROR_NONE);
        EQUAL(actor_result(after, 0)->status, ERROR_NONE);
        endpoint_is_empty();
        context_is_free(a, how);
    }
}

CASE(death_thread_sending, "A sender in the middle of a queue dies: its message does not come, the others' do")
{
    dies_sending(SYSCALL_SEND);
}

CASE(death_thread_calling, "A queued caller dies: its message does not come, the others' do")
{
    dies_sending(SYSCALL_CALL);
}

CASE(death_thread_receiving, "A receiver dies: messages go to the next one, and its reply object is free for others")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *a = mortal(PRIORITY_HIGH, SYSCALL_RECV, endpoint, reply);
        struct actor *next = actor_calls(PRIORITY_HIGH, SYSCALL_RECV, endpoint, object_new(OBJECT_REPLY, 0), 0);
        actor_kill(a, how);
        struct message m = {message_info(0, 0, 1), {SENT}};
        OK(syscall_send(endpoint, &m));
        EQUAL(actor_result(next, 0)->m.words[0], SENT);
        (void)actor_serves(PRIORITY_HIGH, 0, endpoint, reply);
        m = (struct message){message_info(0, 0, 1), {ANSWER}};
        OK(syscall_call(endpoint, &m));
        EQUAL(m.words[0], ANSWER);
        context_is_free(a, how);
    }
}

CASE(death_thread_waiting, "A waiter on a notification dies: the signal stays for the next")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *a = mortal(PRIORITY_HIGH, SYSCALL_WAIT, notification, 0);
        actor_kill(a, how);
        notification_signal(notification);
        EQUAL(notification_poll(notification), 1);
        EQUAL(a->done, 0);
    }
}

CASE(death_thread_bound, "A thread dies in its receive with a bound notification, which can then be bound to another")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *a = actor_mortal(PRIORITY_HIGH, 0, 0);
        (void)actor_step(a, SYSCALL_WAIT, endpoint, 0, NULL);
        OK(tcb_bind_notification(a->thread->tcb, notification));
        actor_start(a);
        actor_kill(a, how);
        notification_signal(notification);
        struct actor *next = actor_new(PRIORITY_HIGH, 0, 0);
        (void)actor_step(next, SYSCALL_WAIT, endpoint, 0, NULL);
        OK(tcb_bind_notification(next->thread->tcb, notification));
        actor_start(next);
        EQUAL(actor_result(next, 0)->destination, 1);
    }
}

/* --- callers --- */

CASE(death_caller_of_active,
     "A caller dies while an active server works: the answer goes nowhere, the next call is served")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *a = mortal(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0);
        struct message m;
        word badge;
        OK(syscall_recv(endpoint, reply, &m, &badge));
        actor_kill(a, how);
        struct actor *next = actor_calls(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0, 2);
        OK(syscall_reply_recv(endpoint, reply, &m, &badge));
        EQUAL(m.words[0], 2);
        OK(syscall_send(reply, &m));
        EQUAL(actor_result(next, 0)->m.words[0], 2);
        context_is_free(a, how);
    }
}

/* A passive server of low priority that has a call in hand: `a` waits for it. */
static struct actor *passive_at_work(struct actor **a, bool is_mortal)
{
    struct actor *server = is_mortal ? actor_mortal(PRIORITY_LOW, 0, 0) : actor_new(PRIORITY_LOW, 0, 0);
    (void)actor_step(server, SYSCALL_RECV, endpoint, reply, NULL);
    actor_step(server, SYSCALL_REPLY_RECV, endpoint, reply, NULL)->is_echo = true;
    actor_step(server, SYSCALL_REPLY_RECV, endpoint, reply, NULL)->is_echo = true;
    actor_start(server);
    sleep_ns(100000);
    thread_make_passive(server->thread);
    *a = actor_mortal(PRIORITY_HIGH, 0, 0);
    struct message m = {message_info(0, 0, 1), {SENT}};
    (void)actor_step(*a, SYSCALL_CALL, endpoint, 0, &m);
    actor_start(*a);
    CHECK(actor_waits_in(*a, 0));
    CHECK(actor_waits_in(server, 0)); /* it has the message, and the root task the processor */
    return server;
}

CASE(death_caller_of_passive,
     "A caller dies, its context does not, while a passive server works on that: the server serves the next")
{
    for (enum kill how = 0; how < KILL_UNTYPED; how++) {
        struct actor *a;
        setup(how);
        struct actor *server = passive_at_work(&a, false);
        actor_kill(a, how);
        sleep_ns(100000);
        CHECK(actor_waits_in(server, 1));
        struct message m = {message_info(0, 0, 1), {ANSWER}};
        OK(syscall_call(endpoint, &m));
        EQUAL(m.words[0], ANSWER);
        OK(sched_context_unbind(a->thread->sched_context));
        context_is_free(a, how);
    }
}

CASE(death_caller_never_returned_to, "A caller that died is not answered, and its reply object holds the next caller")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *a = mortal(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0);
        struct message m, answer = {message_info(0, 0, 1), {ANSWER}};
        word badge;
        OK(syscall_recv(endpoint, reply, &m, &badge));
        actor_kill(a, how);
        OK(syscall_send(reply, &answer));
        struct actor *next = actor_calls(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0, 2);
        OK(syscall_recv(endpoint, reply, &m, &badge));
        OK(syscall_send(reply, &answer));
        EQUAL(actor_result(next, 0)->m.words[0], ANSWER);
    }
}

/* --- servers --- */

CASE(death_server_active, "An active server dies with a call in hand: ERROR_ABORTED for the caller")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *server = mortal(PRIORITY_HIGH, SYSCALL_RECV, endpoint, reply);
        (void)actor_step(server, SYSCALL_WAIT, notification, 0, NULL);
        struct actor *client = actor_calls(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0, SENT);
        CHECK(actor_waits_in(server, 1) && actor_waits_in(client, 0));
        actor_kill(server, how);
        EQUAL(actor_result(client, 0)->status, ERROR_ABORTED);
    }
}

CASE(death_server_passive, "A passive server dies with a call in hand: the caller gets ERROR_ABORTED and its time back")
{
    for (enum kill how = 0; how < KILLS; how++) {
        struct actor *client;
        setup(how);
        struct actor *server = passive_at_work(&client, true);
        (void)actor_step(client, SYSCALL_YIELD, 0, 0, NULL);
        actor_kill(server, how);
        EQUAL(actor_result(client, 0)->status, ERROR_ABORTED);
        EQUAL(actor_result(client, 1)->status, ERROR_NONE);
        EQUAL(sched_context_bind(client->thread->sched_context, client->thread->tcb), ERROR_ILLEGAL_OPERATION);
    }
}

CASE(death_server_of_many, "A server dies that holds three callers with three reply objects: all get ERROR_ABORTED")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *server = actor_mortal(PRIORITY_HIGH, 0, 0), *clients[3];
        for (word i = 0; i < COUNT(clients); i++)
            (void)actor_step(server, SYSCALL_RECV, endpoint, object_new(OBJECT_REPLY, 0), NULL);
        (void)actor_step(server, SYSCALL_WAIT, notification, 0, NULL);
        actor_start(server);
        for (word i = 0; i < COUNT(clients); i++)
            clients[i] = actor_calls(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0, i);
        CHECK(actor_waits_in(server, 3));
        actor_kill(server, how);
        for (word i = 0; i < COUNT(clients); i++) {
            NOTE(i);
            EQUAL(actor_result(clients[i], 0)->status, ERROR_ABORTED);
        }
    }
}

CASE(death_server_idle,
     "A server dies in its receive: callers wait for its successor, who serves them with the same reply object")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *server = mortal(PRIORITY_HIGH, SYSCALL_RECV, endpoint, reply);
        actor_kill(server, how);
        struct actor *client = actor_calls(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0, SENT);
        CHECK(actor_waits_in(client, 0));
        (void)actor_serves(PRIORITY_HIGH, 0, endpoint, reply);
        EQUAL(actor_result(client, 0)->status, ERROR_NONE);
        EQUAL(actor_result(client, 0)->m.words[0], SENT);
    }
}

CASE(death_server_by_its_caller,
     "A caller's message asks a third thread to delete the server: the caller is told, the third goes on")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *server = mortal(PRIORITY_LOW, SYSCALL_RECV, endpoint, reply);
        struct actor *client = actor_calls(PRIORITY_LOW, SYSCALL_CALL, endpoint, 0, SENT);
        (void)actor_step(server, SYSCALL_WAIT, notification, 0, NULL);
        sleep_ns(100000);
        CHECK(actor_waits_in(server, 1));
        struct message m = {message_info(CNODE_DELETE, 0, 2), {server->thread->tcb, 1}};
        struct actor *third = actor_new(PRIORITY_HIGH, 0, 0);
        (void)actor_step(third, SYSCALL_CALL, ROOT_CNODE, 0, &m);
        actor_start(third);
        EQUAL(message_info_label(actor_result(third, 0)->m.info), ERROR_NONE);
        sleep_ns(100000);
        EQUAL(actor_result(client, 0)->status, ERROR_ABORTED);
    }
}
