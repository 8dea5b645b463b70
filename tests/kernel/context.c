/* Cases: scheduling contexts beyond the everyday: time-outs, lending in chains and by notifications, yield-to,
 * interrupted calls. */
#include "test.h"

static cptr endpoint, inner, reply, inner_reply, notification;
static volatile bool stop;

static void setup(void)
{
    endpoint = object_new(OBJECT_ENDPOINT, 0);
    inner = object_new(OBJECT_ENDPOINT, 0);
    reply = object_new(OBJECT_REPLY, 0);
    inner_reply = object_new(OBJECT_REPLY, 0);
    notification = object_new(OBJECT_NOTIFICATION, 0);
    log_count = 0;
    stop = false;
}

/* Answers with what it got plus one. */
static void echo(word unused)
{
    (void)unused;
    struct message m;
    word badge;
    (void)syscall_recv(endpoint, reply, &m, &badge);
    for (;;) {
        m.words[0]++;
        m.info = message_info(0, 0, 1);
        (void)syscall_reply_recv(endpoint, reply, &m, &badge);
    }
}

/* Asks `inner` before it answers. */
static void middle(word unused)
{
    (void)unused;
    struct message m;
    word badge;
    (void)syscall_recv(endpoint, reply, &m, &badge);
    for (;;) {
        m.info = message_info(0, 0, 1);
        (void)syscall_call(inner, &m);
        m.words[0] += 100;
        m.info = message_info(0, 0, 1);
        (void)syscall_reply_recv(endpoint, reply, &m, &badge);
    }
}

static void innermost(word unused)
{
    (void)unused;
    struct message m;
    word badge;
    (void)syscall_recv(inner, inner_reply, &m, &badge);
    for (;;) {
        m.words[0] += 10;
        m.info = message_info(0, 0, 1);
        (void)syscall_reply_recv(inner, inner_reply, &m, &badge);
    }
}

static void spinner(word unused)
{
    (void)unused;
    while (!stop) {
    }
    __builtin_trap();
}

CASE(timeout_fault, "A thread that uses its budget up calls its timeout endpoint, and goes on when answered")
{
    setup();
    struct thread *t = thread_new(spinner, 0, PRIORITY_LOW, 0);
    cptr badged = slot_new();
    OK(cnode_mint(ROOT_CNODE, badged, ROOT_CNODE, endpoint, RIGHT_CALL, 0x71));
    OK(sched_control_configure(ROOT_SCHED_CONTROL, t->sched_context, 1000000, 4000000, 0, 0xbeef));
    OK(tcb_set_timeout_endpoint(t->tcb, badged));
    thread_start(t);
    struct message m;
    word badge;
    for (unsigned i = 0; i < 3; i++) {
        if (i == 0)
            OK(syscall_recv(endpoint, reply, &m, &badge));
        else
            OK(syscall_reply_recv(endpoint, reply, &m, &badge));
        EQUAL(message_info_label(m.info), FAULT_TIMEOUT);
        EQUAL(badge, 0x71);
        EQUAL(m.words[2], 0xbeef);
        CHECK(m.words[3] >= (i + 1) * 900000);
        m.info = message_info(0, 0, 0);
    }
    stop = true;
}

CASE(lending_chain, "A context is lent through two passive servers and comes back with the answers")
{
    setup();
    struct thread *a = thread_new(middle, 0, PRIORITY_HIGH, 0), *b = thread_new(innermost, 0, PRIORITY_HIGH, 0);
    thread_start(a);
    thread_start(b);
    thread_make_passive(a);
    thread_make_passive(b);
    for (word i = 0; i < 100; i++) {
        struct message m = {message_info(0, 0, 1), {i}};
        OK(syscall_call(endpoint, &m));
        EQUAL(m.words[0], i + 110);
    }
}

static volatile bool chain_done;
static volatile word chain_status;

static void chain_client(word unused)
{
    (void)unused;
    struct message m = {message_info(0, 0, 1), {1}};
    chain_status = syscall_call(endpoint, &m);
    chain_done = true;
    log_add(9);
    __builtin_trap();
}

/* Holds the request until it is told to stop. */
static void slow_innermost(word unused)
{
    (void)unused;
    struct message m;
    word badge;
    log_add(0); /* it is about to wait: nobody of lower or equal priority runs before it does */
    (void)syscall_recv(inner, inner_reply, &m, &badge);
    log_add(1);
    while (!stop)
        syscall_yield();
    log_add(2);
    (void)syscall_reply_recv(inner, inner_reply, &m, &badge);
}

CASE(lending_chain_broken,
     "A passive server that dies in the middle of a chain: the inner one ends its work, the client is told")
{
    setup();
    chain_done = false;
    struct thread *client = thread_new(chain_client, 0, PRIORITY_LOW, 0);
    struct thread *a = thread_new(middle, 0, PRIORITY_HIGH, 0), *b = thread_new(slow_innermost, 0, PRIORITY_LOW, 0);
    thread_start(a);
    thread_start(b);
    log_wait(1);
    thread_make_passive(a);
    thread_make_passive(b);
    thread_start(client);
    log_wait(2); /* the inner server works, on the client's time */
    CHECK(!chain_done);
    OK(cnode_delete(ROOT_CNODE, a->tcb));
    stop = true;
    log_wait(4);
    CHECK(chain_done);
    EQUAL(chain_status, ERROR_ABORTED);
}

static void waiter(word unused)
{
    (void)unused;
    for (;;) {
        (void)notification_wait(notification);
        log_add(7);
    }
}

CASE(context_of_notification, "A passive waiter runs on the context of the notification that wakes it")
{
    setup();
    struct thread *t = thread_new(waiter, 0, PRIORITY_HIGH, 0);
    thread_start(t);
    thread_make_passive(t);
    notification_signal(notification);
    EQUAL(log_count, 0); /* woken, but with no context to run on */
    OK(sched_context_bind(t->sched_context, t->tcb));
    EQUAL(log_count, 1);
    OK(sched_context_unbind(t->sched_context));
    OK(sched_context_bind(t->sched_context, notification));
    for (word i = 0; i < 5; i++)
        notification_signal(notification);
    EQUAL(log_count, 6);
    EQUAL(sched_context_bind(t->sched_context, t->tcb), ERROR_ILLEGAL_OPERATION);
    OK(cnode_delete(ROOT_CNODE, notification));
    OK(sched_context_bind(t->sched_context, t->tcb));
}

static void logger(word what)
{
    log_add(what);
    __builtin_trap();
}

CASE(yield_to, "YIELD_TO runs the thread of that context before others of its priority")
{
    setup();
    struct thread *first = thread_new(logger, 1, PRIORITY_ROOT, 0), *second = thread_new(logger, 2, PRIORITY_ROOT, 0);
    word ns;
    EQUAL(sched_context_yield_to(ROOT_SCHED_CONTEXT, &ns), ERROR_ILLEGAL_OPERATION);
    thread_start(first);
    thread_start(second);
    OK(sched_context_yield_to(second->sched_context, &ns));
    EQUAL(log_entries[0], 2);
    EQUAL(log_count, 1); /* the root task comes right behind it */
    syscall_yield();
    EQUAL(log_entries[1], 1);
}

static void caller(word unused)
{
    (void)unused;
    struct message m = {message_info(0, 0, 1), {41}};
    log_add(syscall_call(endpoint, &m));
    log_add(m.words[0]);
    __builtin_trap();
}

CASE(suspended_call_restarts, "A call that suspension interrupted is made again on resume, from any state")
{
    setup();
    /* in the queue, nobody there to receive */
    struct thread *c = thread_new(caller, 0, PRIORITY_HIGH, 0);
    thread_start(c);
    OK(tcb_suspend(c->tcb));
    OK(tcb_resume(c->tcb));
    /* in the hands of a server: the first message is dropped, a second one comes */
    struct message m;
    word badge;
    OK(syscall_recv(endpoint, reply, &m, &badge));
    EQUAL(m.words[0], 41);
    OK(tcb_suspend(c->tcb));
    OK(tcb_resume(c->tcb));
    m.words[0] = 5;
    OK(syscall_reply_recv(endpoint, reply, &m, &badge)); /* the answer meets nobody */
    EQUAL(m.words[0], 41);
    EQUAL(log_count, 0);
    m = (struct message){message_info(0, 0, 1), {43}};
    (void)syscall_send(reply, &m);
    EQUAL(log_count, 2);
    EQUAL(log_entries[0], ERROR_NONE);
    EQUAL(log_entries[1], 43);
}

CASE(wait_refuses_calls, "A receiver without reply object cannot be called: the caller is told at once")
{
    setup();
    struct thread *c = thread_new(caller, 0, PRIORITY_HIGH, 0);
    thread_start(c);
    struct message m;
    word badge;
    OK(syscall_nbwait(endpoint, &m, &badge));
    EQUAL(badge, 0);
    EQUAL(log_count, 2);
    EQUAL(log_entries[0], ERROR_ABORTED);
}

CASE(reply_used_twice, "A reply object holds one caller: receiving with it again lets the first one go")
{
    setup();
    struct thread *c = thread_new(caller, 0, PRIORITY_HIGH, 0), *d = thread_new(caller, 0, PRIORITY_HIGH, 0);
    thread_start(c);
    thread_start(d);
    struct message m;
    word badge;
    OK(syscall_recv(endpoint, reply, &m, &badge));
    OK(syscall_recv(endpoint, reply, &m, &badge));
    EQUAL(log_count, 2);
    EQUAL(log_entries[0], ERROR_ABORTED);
    m = (struct message){message_info(0, 0, 1), {9}};
    (void)syscall_send(reply, &m);
    EQUAL(log_entries[2], ERROR_NONE);
    EQUAL(log_entries[3], 9);
    (void)syscall_send(reply, &m); /* nobody left: nothing happens */
}

CASE(untyped_copied, "A copy of an untyped takes over: the source gives nothing until the copy is gone")
{
    cptr untyped = object_new(OBJECT_UNTYPED, 14), copy = slot_new(), frames = slots_new(2);
    word done;
    OK(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, untyped, RIGHT_ALL));
    EQUAL(untyped_retype(untyped, OBJECT_FRAME, 12, ROOT_CNODE, frames, 1, &done), ERROR_NOT_ENOUGH_MEMORY);
    OK(untyped_retype(copy, OBJECT_FRAME, 12, ROOT_CNODE, frames, 2, &done));
    EQUAL(done, 2);
    OK(cnode_revoke(ROOT_CNODE, untyped));
    OK(untyped_retype(untyped, OBJECT_FRAME, 14, ROOT_CNODE, frames, 1, &done));
}

CASE(echo_by_many, "Eight clients of one passive server get each its own answer")
{
    setup();
    struct thread *server = thread_new(echo, 0, PRIORITY_HIGH, 0);
    thread_start(server);
    thread_make_passive(server);
    for (word i = 0; i < 8; i++)
        thread_start(thread_new(caller, i, PRIORITY_LOW, 0));
    log_wait(16);
    for (word i = 0; i < 16; i += 2) {
        EQUAL(log_entries[i], ERROR_NONE);
        EQUAL(log_entries[i + 1], 42);
    }
}
