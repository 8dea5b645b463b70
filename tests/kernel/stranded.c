/* Passive servers whose borrowed time goes away in the middle of a request, and the order in which threads wait. */
#include "test.h"

static cptr endpoint, reply, other_reply, inner, inner_reply;
static volatile bool hold;

static void setup(void)
{
    endpoint = object_new(OBJECT_ENDPOINT, 0);
    inner = object_new(OBJECT_ENDPOINT, 0);
    reply = object_new(OBJECT_REPLY, 0);
    other_reply = object_new(OBJECT_REPLY, 0);
    inner_reply = object_new(OBJECT_REPLY, 0);
    log_count = 0;
    hold = true;
}

static void nap(void)
{
    sleep_ns(5000000);
}

/* Logs 100 + the request when it comes and works on request 1 as long as `hold` says; answers with its double. */
static void slow_server(word which)
{
    struct message m;
    word badge;
    cptr from = which == 0 ? endpoint : inner, with = which == 0 ? reply : inner_reply;
    (void)syscall_recv(from, with, &m, &badge);
    for (;;) {
        log_add(100 + m.words[0]);
        while (hold && m.words[0] == 1) {
        }
        m.words[0] *= 2;
        m.info = message_info(0, 0, 1);
        (void)syscall_reply_recv(from, with, &m, &badge);
    }
}

/* Logs status and answer of its request. */
static void client(word request)
{
    struct message m = {message_info(0, 0, 1), {request}};
    word status = syscall_call(endpoint, &m);
    log_add(status == ERROR_NONE ? m.words[0] : 1000 + status);
}

/* A passive server that works on request 1 of the first client, who is about to meet his end. */
static struct thread *busy_server(struct thread **first)
{
    struct thread *s = thread_new(slow_server, 0, PRIORITY_LOW + 1, 0);
    thread_start(s);
    nap();
    thread_make_passive(s);
    *first = thread_new(client, 1, PRIORITY_LOW, 0);
    thread_start(*first);
    log_wait(1);
    EQUAL(log_entries[0], 101);
    return s;
}

/* The server ends its work and serves the next client, who waits or comes later. */
static void expect_service(struct thread *server, word had)
{
    hold = false;
    nap();
    word before = log_count;
    CHECK(before >= had);
    thread_start(thread_new(client, 7, PRIORITY_LOW, 0));
    log_wait(before + 2);
    EQUAL(log_entries[before], 107);
    EQUAL(log_entries[before + 1], 14);
    EQUAL(sched_context_bind(server->sched_context, server->tcb), ERROR_NONE); /* it has none again */
}

CASE(stranded_context_deleted, "The caller's context is deleted in mid-request: the server ends it and serves the next")
{
    setup();
    struct thread *first, *s = busy_server(&first);
    OK(cnode_delete(ROOT_CNODE, first->sched_context));
    expect_service(s, 1);
}

CASE(stranded_context_unbound, "The same when the context is unbound; the client runs on with a new one")
{
    setup();
    struct thread *first, *s = busy_server(&first);
    OK(sched_context_unbind(first->sched_context));
    expect_service(s, 1);
    OK(sched_context_bind(first->sched_context, first->tcb));
    log_wait(4);
    EQUAL(log_entries[3], 2); /* its answer */
}

CASE(stranded_waiting_clients, "Clients that wait already when the context goes are served, each by its own time")
{
    setup();
    struct thread *first, *s = busy_server(&first);
    for (word i = 2; i < 5; i++)
        thread_start(thread_new(client, i, PRIORITY_HIGH, 0));
    OK(cnode_delete(ROOT_CNODE, first->sched_context));
    hold = false;
    log_wait(7);
    expect_service(s, 7);
}

CASE(stranded_reply_deleted, "The reply object is deleted in mid-request: the caller is told, the server ends its work")
{
    setup();
    struct thread *first, *s = busy_server(&first);
    OK(cnode_delete(ROOT_CNODE, reply));
    log_wait(2);
    EQUAL(log_entries[1], 1000 + ERROR_ABORTED);
    hold = false;
    /* its next receive names a reply object that is gone: it faults and stops there, with a new one it goes on */
    nap();
    OK(untyped_retype_all(harness_untyped(), OBJECT_REPLY, 0, ROOT_CNODE, reply, 1));
    OK(tcb_resume(s->tcb));
    expect_service(s, 2);
}

CASE(stranded_client_deleted,
     "The calling thread is deleted in mid-request: its context serves to the end, then is free")
{
    setup();
    struct thread *first, *s = busy_server(&first);
    OK(cnode_delete(ROOT_CNODE, first->tcb));
    expect_service(s, 1);
    struct thread *heir = thread_new(client, 3, PRIORITY_LOW, 0);
    OK(sched_context_unbind(heir->sched_context));
    OK(sched_context_bind(first->sched_context, heir->tcb)); /* nobody has it */
}

CASE(stranded_caller_without_time, "A caller whose context goes while it is in the queue is answered all the same")
{
    setup();
    struct thread *first, *s = busy_server(&first);
    struct thread *second = thread_new(client, 2, PRIORITY_HIGH, 0);
    thread_start(second);
    OK(cnode_delete(ROOT_CNODE, second->sched_context));
    hold = false;
    log_wait(3);
    EQUAL(log_entries[1], 102); /* the server is of higher priority than its clients */
    EQUAL(log_entries[2], 2);
    OK(sched_context_bind(second->sched_context = object_new(OBJECT_SCHED_CONTEXT, 0), second->tcb));
    OK(sched_control_configure(ROOT_SCHED_CONTROL, second->sched_context, 1000000, 1000000, 0, 0));
    log_wait(4);
    EQUAL(log_entries[3], 4);
    expect_service(s, 4);
}

/* Passes its request on to the inner server. */
static void middle(word unused)
{
    (void)unused;
    struct message m;
    word badge;
    (void)syscall_recv(endpoint, reply, &m, &badge);
    for (;;) {
        m.info = message_info(0, 0, 1);
        (void)syscall_call(inner, &m);
        m.info = message_info(0, 0, 1);
        (void)syscall_reply_recv(endpoint, reply, &m, &badge);
    }
}

CASE(stranded_chain, "The context goes while the second of two passive servers works: both end their work")
{
    setup();
    struct thread *a = thread_new(middle, 0, PRIORITY_LOW + 1, 0), *b = thread_new(slow_server, 1, PRIORITY_LOW + 1, 0);
    thread_start(a);
    thread_start(b);
    nap();
    thread_make_passive(a);
    thread_make_passive(b);
    struct thread *first = thread_new(client, 1, PRIORITY_LOW, 0);
    thread_start(first);
    log_wait(1);
    OK(cnode_delete(ROOT_CNODE, first->sched_context));
    expect_service(a, 1);
    EQUAL(sched_context_bind(b->sched_context, b->tcb), ERROR_NONE);
}

static volatile word spins[3];

static void spinning_server(word which)
{
    struct message m;
    word badge;
    (void)syscall_recv(endpoint, which == 0 ? reply : other_reply, &m, &badge);
    log_add(0);
    for (;;)
        spins[which] = spins[which] + 1;
}

static void spinning(word which)
{
    for (;;)
        spins[which] = spins[which] + 1;
}

CASE_TIMED(stranded_share, "Stranded servers that never end share 0.2 % of the time, and each gets its part")
{
    setup();
    spins[0] = spins[1] = spins[2] = 0;
    struct thread *clients[2];
    for (word i = 0; i < 2; i++) {
        struct thread *s = thread_new(spinning_server, i, PRIORITY_LOW + 1, 0);
        thread_start(s);
        nap();
        thread_make_passive(s);
        clients[i] = thread_new(client, 1, PRIORITY_LOW, 0);
        thread_start(clients[i]);
        log_wait(i + 1);
        OK(cnode_delete(ROOT_CNODE, clients[i]->sched_context));
    }
    word had[2] = {spins[0], spins[1]};
    thread_start(thread_new(spinning, 2, PRIORITY_LOW - 1, 0));
    for (unsigned i = 0; i < 100; i++)
        nap();
    word first = spins[0] - had[0], second = spins[1] - had[1];
    word share = (first + second) * 100000 / (first + second + spins[2]); /* thousandths of a percent */
    CHECK(first > 0 && second > 0);
    CHECK(share >= 100 && share <= 250);
    CHECK(first < 2 * second && second < 2 * first);
}

CASE(stranded_given_a_context, "A stranded server that is given a context of its own keeps it")
{
    setup();
    struct thread *first, *s = busy_server(&first);
    OK(cnode_delete(ROOT_CNODE, first->sched_context));
    OK(sched_context_bind(s->sched_context, s->tcb));
    hold = false;
    nap();
    EQUAL(sched_context_bind(s->sched_context, s->tcb), ERROR_ILLEGAL_OPERATION);
    thread_start(thread_new(client, 7, PRIORITY_LOW, 0));
    log_wait(3);
    EQUAL(sched_context_bind(s->sched_context, s->tcb), ERROR_ILLEGAL_OPERATION);
}

/* --- the order of waiting --- */

static void badged_client(word request)
{
    struct message m = {message_info(0, 0, 1), {request}};
    (void)syscall_call(endpoint, &m);
    log_add(request);
}

static void receive_all(word count)
{
    struct message m;
    word badge;
    for (word i = 0; i < count; i++) {
        OK(i == 0 ? syscall_recv(endpoint, reply, &m, &badge) : syscall_reply_recv(endpoint, reply, &m, &badge));
        log_add(m.words[0]);
        m.info = 0;
    }
}

CASE(wait_order_senders, "Senders are received by priority, equals in the order of their coming, whoever came first")
{
    static const uint8_t above[] = {1, 3, 2, 3, 1, 4, 2}, order[] = {5, 1, 3, 2, 6, 0, 4};
    setup();
    for (word i = 0; i < sizeof(above); i++)
        thread_start(thread_new(badged_client, i, PRIORITY_HIGH + above[i], 0));
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_HIGH + 10));
    receive_all(sizeof(above));
    for (word i = 0; i < sizeof(order); i++)
        EQUAL(log_entries[i], order[i]);
}

CASE(wait_order_changes, "A change of priority moves a waiting thread: behind its new equals, and past the others")
{
    static const uint8_t order[] = {0, 3, 2, 1};
    struct thread *t[4];
    setup();
    for (word i = 0; i < 4; i++)
        thread_start(t[i] = thread_new(badged_client, i, PRIORITY_HIGH + 2, 0));
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_HIGH + 10));
    OK(tcb_set_priority(t[0]->tcb, ROOT_TCB, PRIORITY_HIGH + 3));
    OK(tcb_set_priority(t[2]->tcb, ROOT_TCB, PRIORITY_HIGH + 2)); /* behind 3 */
    OK(tcb_set_priority(t[1]->tcb, ROOT_TCB, PRIORITY_HIGH + 1));
    receive_all(4);
    for (word i = 0; i < 4; i++)
        EQUAL(log_entries[i], order[i]);
}

static cptr notification;

static void waits(word which)
{
    (void)notification_wait(notification);
    log_add(which);
}

CASE(wait_order_notification, "A signal wakes the waiter of the highest priority")
{
    static const uint8_t above[] = {1, 2, 2, 3}, order[] = {3, 1, 2, 0};
    setup();
    notification = object_new(OBJECT_NOTIFICATION, 0);
    for (word i = 0; i < 4; i++)
        thread_start(thread_new(waits, i, PRIORITY_HIGH + above[i], 0));
    for (word i = 0; i < 4; i++) {
        notification_signal(notification);
        EQUAL(log_count, i + 1);
        EQUAL(log_entries[i], order[i]);
    }
}

static void receives(word which)
{
    struct message m;
    word badge;
    (void)syscall_wait(endpoint, &m, &badge);
    log_add(which);
}

CASE(wait_order_receivers, "Receivers get messages in the order of their coming")
{
    static const uint8_t above[] = {1, 3, 2, 3}, order[] = {0, 1, 2, 3};
    setup();
    for (word i = 0; i < 4; i++)
        thread_start(thread_new(receives, i, PRIORITY_HIGH + above[i], 0));
    for (word i = 0; i < 4; i++) {
        struct message m = {0};
        OK(syscall_send(endpoint, &m));
        EQUAL(log_entries[i], order[i]);
    }
}
