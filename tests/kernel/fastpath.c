/* At the borders of the fast path: what must hold whether a call takes it or not. */
#include "trap.h"

static cptr endpoint, reply, ntfn;
static volatile word order_count, order[16];

static void setup(void)
{
    endpoint = object_new(OBJECT_ENDPOINT, 0);
    reply = object_new(OBJECT_REPLY, 0);
    ntfn = object_new(OBJECT_NOTIFICATION, 0);
    order_count = 0;
}

static void note_order(word what)
{
    if (order_count < COUNT(order))
        order[order_count] = what;
    order_count = order_count + 1;
}

/* Serves for ever and notes each request. */
static void noting_server(word what)
{
    struct message m;
    word badge;
    (void)syscall_recv(endpoint, reply, &m, &badge);
    for (;;) {
        note_order(what);
        (void)syscall_reply_recv(endpoint, reply, &m, &badge);
    }
}

static void noter(word what)
{
    note_order(what);
}

CASE(fast_call_keeps_turns, "A call to an active server of equal priority lets a thread that was ready before go first")
{
    setup();
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_LOW));
    thread_start(thread_new(noting_server, 1, PRIORITY_LOW, 0));
    syscall_yield();
    thread_start(thread_new(noter, 2, PRIORITY_LOW, 0));
    struct message m = {0};
    OK(syscall_call(endpoint, &m));
    EQUAL(order[0], 2);
    EQUAL(order[1], 1);
}

CASE(fast_call_lent_goes_first,
     "A call to a passive server of equal priority runs it before a thread that was ready before")
{
    setup();
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_LOW));
    struct thread *server = thread_new(noting_server, 1, PRIORITY_LOW, 0);
    thread_start(server);
    syscall_yield();
    thread_make_passive(server);
    thread_start(thread_new(noter, 2, PRIORITY_LOW, 0));
    struct message m = {0};
    OK(syscall_call(endpoint, &m));
    EQUAL(order[0], 1);
    EQUAL(order_count, 1); /* and the answer comes back here, in the same time slice */
    syscall_yield();
    EQUAL(order[1], 2);
}

CASE(fast_call_below_others, "A call to a server below a ready thread lets that one run first, active or passive")
{
    for (unsigned is_passive = 0; is_passive < 2; is_passive++) {
        setup();
        struct thread *server = thread_new(noting_server, 1, PRIORITY_LOW, 0);
        thread_start(server);
        sleep_ns(50000);
        if (is_passive)
            thread_make_passive(server);
        thread_start(thread_new(noter, 2, PRIORITY_LOW + 1, 0));
        struct message m = {0};
        OK(syscall_call(endpoint, &m));
        NOTE(is_passive);
        EQUAL(order[0], 2);
        EQUAL(order[1], 1);
    }
}

CASE(fast_reply_wakes_in_order, "An answer to a caller of lower priority lets threads between run first")
{
    setup();
    struct actor *server = actor_serves(PRIORITY_HIGH, 0, endpoint, reply);
    struct actor *client = actor_calls(PRIORITY_LOW, SYSCALL_CALL, endpoint, 0, 1);
    thread_start(thread_new(noter, 2, PRIORITY_LOW + 1, 0));
    sleep_ns(50000);
    (void)server;
    EQUAL(order[0], 2);
    EQUAL(actor_result(client, 0)->status, ERROR_NONE);
}

CASE(fast_reply_finds_next,
     "ReplyRecv takes a caller that came meanwhile: all are answered, in the order of their coming")
{
    setup();
    struct actor *clients[3], *server = actor_new(PRIORITY_LOW, 0, 0);
    (void)actor_step(server, SYSCALL_RECV, endpoint, reply, NULL);
    for (unsigned i = 0; i < 3; i++)
        actor_step(server, SYSCALL_REPLY_RECV, endpoint, reply, NULL)->is_echo = true;
    actor_start(server);
    sleep_ns(50000);
    for (word i = 0; i < 3; i++)
        clients[i] = actor_calls(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0, i + 5);
    sleep_ns(100000);
    for (word i = 0; i < 3; i++) {
        NOTE(i);
        EQUAL(actor_result(server, i)->m.words[0], i + 5);
        EQUAL(actor_result(clients[i], 0)->m.words[0], i + 5);
    }
    CHECK(actor_waits_in(server, 3));
}

CASE(fast_reply_finds_signal,
     "ReplyRecv delivers a signal of the bound notification that came meanwhile, and the answer all the same")
{
    setup();
    struct actor *server = actor_new(PRIORITY_LOW, 0, 0);
    (void)actor_step(server, SYSCALL_RECV, endpoint, reply, NULL);
    actor_step(server, SYSCALL_REPLY_RECV, endpoint, reply, NULL)->is_echo = true;
    (void)actor_step(server, SYSCALL_WAIT, endpoint, 0, NULL);
    OK(tcb_bind_notification(server->thread->tcb, ntfn));
    actor_start(server);
    sleep_ns(50000);
    struct actor *client = actor_calls(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0, 5);
    notification_signal(ntfn);
    sleep_ns(100000);
    EQUAL(actor_result(client, 0)->m.words[0], 5);
    EQUAL(actor_result(server, 1)->destination, 1);
    CHECK(actor_waits_in(server, 2));
}

CASE(fast_two_in_hand, "A server holds two calls, answers the first to come, and dies: the other caller is told")
{
    for (word first = 0; first < 2; first++) {
        setup();
        cptr replies[2] = {object_new(OBJECT_REPLY, 0), object_new(OBJECT_REPLY, 0)};
        struct actor *server = actor_new(PRIORITY_HIGH, 0, 0), *clients[2];
        (void)actor_step(server, SYSCALL_RECV, endpoint, replies[0], NULL);
        (void)actor_step(server, SYSCALL_RECV, endpoint, replies[1], NULL);
        (void)actor_step(server, SYSCALL_WAIT, ntfn, 0, NULL);
        (void)actor_step(server, SYSCALL_SEND, replies[first], 0, NULL);
        (void)actor_step(server, SYSCALL_WAIT, ntfn, 0, NULL);
        actor_start(server);
        for (word i = 0; i < 2; i++)
            clients[i] = actor_calls(PRIORITY_HIGH - 1, SYSCALL_CALL, endpoint, 0, i);
        CHECK(actor_waits_in(server, 2));
        notification_signal(ntfn);
        NOTE(first);
        EQUAL(actor_result(clients[first], 0)->status, ERROR_NONE);
        CHECK(actor_waits_in(clients[!first], 0));
        OK(cnode_delete(ROOT_CNODE, server->thread->tcb));
        EQUAL(actor_result(clients[!first], 0)->status, ERROR_ABORTED);
    }
}

/* Takes 100 us for each request. */
static void slow_server(word unused)
{
    (void)unused;
    struct message m;
    word badge;
    (void)syscall_recv(endpoint, reply, &m, &badge);
    for (;;) {
        spin_ns(100000);
        (void)syscall_reply_recv(endpoint, reply, &m, &badge);
    }
}

CASE(fast_charging,
     "An active server's time is charged to its own context, a passive one's to the caller's, call after call")
{
    for (unsigned is_passive = 0; is_passive < 2; is_passive++) {
        setup();
        word server_ns, client_ns;
        struct thread *server = thread_new(slow_server, 0, PRIORITY_HIGH, 0);
        thread_start(server);
        if (is_passive)
            thread_make_passive(server);
        struct actor *client = actor_new(PRIORITY_HIGH, 0, 0);
        for (unsigned i = 0; i < 8; i++)
            (void)actor_step(client, SYSCALL_CALL, endpoint, 0, NULL);
        OK(sched_context_consumed(server->sched_context, &server_ns));
        actor_start(client);
        EQUAL(client->done, 8);
        OK(sched_context_consumed(server->sched_context, &server_ns));
        OK(sched_context_consumed(client->thread->sched_context, &client_ns));
        NOTE(is_passive);
        NOTE(server_ns);
        NOTE(client_ns);
        CHECK(is_passive ? server_ns == 0 : server_ns >= 800000);
        CHECK(is_passive ? client_ns >= 800000 : client_ns < 300000);
    }
}

/* --- FP on the way --- */

static uint8_t images[3][FP_BYTES] __attribute__((aligned(64))), looks[3][FP_BYTES] __attribute__((aligned(64)));
static volatile word fp_rounds, fp_mixed;

static void fp_set(word which)
{
    fp_store(images[which]);
    for (unsigned i = FP_FIRST; i < FP_END; i++)
        images[which][i] = (uint8_t)(i * 5 + which * 77 + 3);
#if defined(__x86_64__)
    for (unsigned i = 0; i < 8; i++) /* x87 registers have 10 bytes of 16 */
        for (unsigned k = 10; k < 16; k++)
            images[which][32 + i * 16 + k] = 0;
#else
    ((word *)images[which])[64] = which << 22;
    ((word *)images[which])[65] = which;
#endif
    fp_load(images[which]);
}

static void fp_look(word which)
{
    fp_store(looks[which]);
    for (unsigned i = FP_FIRST; i < FP_END; i++)
        if (looks[which][i] != images[which][i])
            fp_mixed = i + 1;
}

static void fp_server(word with_fp)
{
    struct message m;
    word badge;
    if (with_fp)
        fp_set(1);
    (void)syscall_recv(endpoint, reply, &m, &badge);
    for (;;) {
        if (with_fp)
            fp_look(1);
        (void)syscall_reply_recv(endpoint, reply, &m, &badge);
    }
}

static void fp_client(word which)
{
    fp_set(which);
    for (unsigned i = 0; i < 30; i++) {
        struct message m = {0};
        (void)syscall_call(endpoint, &m);
        fp_look(which);
        if (i % 3 == 0)
            syscall_yield();
        fp_look(which);
    }
    fp_rounds = fp_rounds + 1;
}

CASE(fast_fp,
     "Two FP clients call a server with FP, and one without, active and passive: all vector registers stay their own")
{
    for (unsigned kind = 0; kind < 4; kind++) {
        setup();
        fp_rounds = fp_mixed = 0;
        struct thread *server = thread_new(fp_server, kind & 1, PRIORITY_HIGH, 0);
        if (kind & 1)
            OK(tcb_set_flags(server->tcb, 0, TCB_FLAG_FP));
        thread_start(server);
        if (kind & 2)
            thread_make_passive(server);
        for (word i = 0; i < 2; i++) {
            struct thread *client = thread_new(fp_client, i * 2, PRIORITY_LOW, 0);
            OK(tcb_set_flags(client->tcb, 0, TCB_FLAG_FP));
            thread_start(client);
        }
        for (unsigned i = 0; i < 50 && fp_rounds < 2; i++)
            sleep_ns(1000000);
        NOTE(kind);
        EQUAL(fp_mixed, 0);
        EQUAL(fp_rounds, 2);
    }
}

/* --- signals, waits, yields --- */

static void waiting_noter(word what)
{
    (void)notification_wait(ntfn);
    note_order(what);
}

CASE(fast_signal_order,
     "A signal to a waiter of equal priority lets the signaller go on, and those ready before it go first")
{
    setup();
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_LOW));
    thread_start(thread_new(waiting_noter, 1, PRIORITY_LOW, 0));
    syscall_yield();
    thread_start(thread_new(noter, 2, PRIORITY_LOW, 0));
    notification_signal(ntfn);
    EQUAL(order_count, 0);
    syscall_yield();
    EQUAL(order[0], 2);
    EQUAL(order[1], 1);
}

CASE(fast_signal_one_of_many,
     "Each signal wakes one of several waiters of equal priority, the first to come; the next signal the next")
{
    setup();
    struct actor *a[3];
    for (word i = 0; i < 3; i++)
        a[i] = actor_calls(PRIORITY_HIGH, SYSCALL_WAIT, ntfn, 0, 0);
    for (word i = 0; i < 3; i++) {
        notification_signal(minted(ntfn, RIGHT_SEND, 0x100 << i));
        for (word k = 0; k < 3; k++)
            EQUAL(a[k]->done, k <= i);
        EQUAL(actor_result(a[i], 0)->destination, 0x100 << i);
    }
    EQUAL(notification_poll(ntfn), 0);
}

CASE(fast_wait_gives_time_back,
     "A passive waiter that ran on its notification's context gives it back at each wait, for the next waiter")
{
    setup();
    struct actor *a[2];
    for (word i = 0; i < 2; i++) {
        a[i] = actor_new(PRIORITY_HIGH, 0, 0);
        (void)actor_step(a[i], SYSCALL_WAIT, ntfn, 0, NULL);
        (void)actor_step(a[i], SYSCALL_WAIT, ntfn, 0, NULL);
        (void)actor_step(a[i], SYSCALL_WAIT, ntfn, 0, NULL);
        actor_start(a[i]);
        thread_make_passive(a[i]->thread);
    }
    OK(sched_context_bind(a[0]->thread->sched_context, ntfn));
    for (word i = 0; i < 4; i++) {
        notification_signal(ntfn);
        NOTE(i);
        EQUAL(a[0]->done + a[1]->done, i + 1);
    }
    EQUAL(a[0]->done, 2);
}

CASE(fast_poll_takes_all, "A poll takes all signals at once and leaves none; one of nothing is 0")
{
    setup();
    for (word bit = 0; bit < 64; bit += 9)
        notification_signal(minted(ntfn, RIGHT_SEND, 1ul << bit));
    EQUAL(notification_poll(ntfn), 0x8040201008040201);
    EQUAL(notification_poll(ntfn), 0);
}

CASE(fast_yield_alone,
     "Yield by the only thread of its priority returns, with a lower one ready and a higher one waiting")
{
    setup();
    thread_start(thread_new(noter, 1, PRIORITY_LOW, 0));
    (void)actor_calls(PRIORITY_HIGH, SYSCALL_WAIT, ntfn, 0, 0);
    for (unsigned i = 0; i < 10; i++)
        syscall_yield();
    EQUAL(order_count, 0);
}
