/* IPC, replies, aborts, faults, scheduling and lending: the state machine, driven thread by thread. */
#include "model.h"

static cptr endpoint, reply, server, client;
static struct tcb *root;

#define PRIORITY_SERVER 100
#define PRIORITY_CLIENT 90
#define PRIORITY_ROOT   50

/* The root task goes below the threads of the tests: a thread that becomes ready takes over at once. */
static void setup(bool server_is_passive)
{
    root = model_current();
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_ROOT));
    endpoint = new_object(OBJECT_ENDPOINT, 0);
    reply = new_object(OBJECT_REPLY, 0);
    server = new_thread(PRIORITY_SERVER, false, 0);
    client = new_thread(PRIORITY_CLIENT, false, 0);
    CHECK(tcb_resume(server) == MODEL_SWITCHED);
    CHECK(model_current() == model_tcb(server));
    struct message m;
    word badge;
    CHECK(syscall_recv(endpoint, reply, &m, &badge) == MODEL_SWITCHED);
    CHECK(model_current() == root);
    if (server_is_passive)
        OK(tcb_set_sched_params(server, ROOT_TCB, 255, PRIORITY_SERVER, 0));
    CHECK(tcb_resume(client) == MODEL_SWITCHED);
    CHECK(model_current() == model_tcb(client));
}

static void teardown(void)
{
    /* Whoever is running: stop everybody but the root task. */
    if (model_current() != root)
        (void)tcb_suspend(client);
    if (model_current() != root)
        (void)tcb_suspend(server);
    while (model_current() != root)
        model_timer(UINT64_MAX / 4);
    OK(cnode_delete(ROOT_CNODE, client));
    OK(cnode_delete(ROOT_CNODE, server));
    OK(cnode_delete(ROOT_CNODE, reply));
    OK(cnode_delete(ROOT_CNODE, endpoint));
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 255));
}

static enum error call(word label, word first)
{
    struct message m = {message_info(label, 0, 2), {first, 22, 33, 44, 55, 66, 77, 88}};
    return syscall_call(endpoint, &m);
}

static enum error status_of(cptr tcb)
{
    return (enum error)model_tcb(tcb)->context.number_status;
}

static void test_call_reply(bool is_passive)
{
    setup(is_passive);
    struct sched_context *sc = model_tcb(client)->sched_context;
    CHECK(call(7, 11) == MODEL_SWITCHED);
    struct tcb *s = model_tcb(server), *c = model_tcb(client);
    CHECK(model_current() == s && c->state == THREAD_BLOCKED_REPLY);
    EQUAL(message_info_label(s->context.info), 7);
    EQUAL(message_info_length(s->context.info), 2);
    EQUAL(s->context.mr[0], 11);
    EQUAL(s->context.mr[7], 88);
    EQUAL(s->context.number_status, ERROR_NONE);
    if (is_passive)
        CHECK(s->sched_context == sc && !c->sched_context && s->lender == c);
    else
        CHECK(s->sched_context != sc && c->sched_context == sc);
    struct message m = {message_info(5, 0, 1), {99}};
    word badge;
    CHECK(syscall_reply_recv(endpoint, reply, &m, &badge) == MODEL_SWITCHED);
    CHECK(model_current() == c && c->sched_context == sc && s->state == THREAD_BLOCKED_RECV);
    EQUAL(message_info_label(c->context.info), 5);
    EQUAL(c->context.mr[0], 99);
    EQUAL(c->context.number_status, ERROR_NONE);
    CHECK(is_passive ? !s->sched_context : s->sched_context != NULL);
    teardown();
}

/* The client waits for an answer; `how` removes one party; the client must run on with ERROR_ABORTED and its context.
 */
static void test_abort(bool is_passive, cptr *victim)
{
    setup(is_passive);
    struct sched_context *sc = model_tcb(client)->sched_context;
    CHECK(call(7, 11) == MODEL_SWITCHED);
    CHECK(model_current() == model_tcb(server));
    /* The server deletes it itself; deleting its own thread never returns. */
    struct tcb *c = model_tcb(client);
    enum error error = cnode_delete(ROOT_CNODE, *victim);
    CHECK(error == MODEL_SWITCHED || error == ERROR_NONE);
    CHECK(c->state == THREAD_RUNNING && c->sched_context == sc && !c->borrower);
    EQUAL(status_of(client), ERROR_ABORTED);
    if (model_current() != c) {
        struct message m;
        word badge;
        (void)syscall_wait(endpoint, &m, &badge);
    }
    CHECK(model_current() == c);
    teardown();
}

static void test_abort_in_queue(void)
{
    setup(false);
    /* The server is busy: it takes nothing. */
    struct tcb *s = model_tcb(server), *c = model_tcb(client);
    CHECK(call(1, 1) == MODEL_SWITCHED); /* the server answers later */
    CHECK(tcb_suspend(server) == MODEL_SWITCHED);
    CHECK(s->state == THREAD_INACTIVE);
    CHECK(model_current() == root);
    cptr second = new_thread(PRIORITY_CLIENT, false, 0);
    CHECK(tcb_resume(second) == MODEL_SWITCHED);
    CHECK(call(2, 2) == MODEL_SWITCHED);
    CHECK(model_tcb(second)->state == THREAD_BLOCKED_SEND);
    CHECK(cnode_delete(ROOT_CNODE, endpoint) == MODEL_SWITCHED);
    EQUAL(status_of(second), ERROR_ABORTED);
    CHECK(model_current() == model_tcb(second));
    CHECK(c->state == THREAD_BLOCKED_REPLY); /* its server lives, and may still answer */
    CHECK(tcb_suspend(second) == MODEL_SWITCHED);
    CHECK(cnode_delete(ROOT_CNODE, server) == MODEL_SWITCHED);
    EQUAL(status_of(client), ERROR_ABORTED);
    CHECK(tcb_suspend(client) == MODEL_SWITCHED);
    OK(cnode_delete(ROOT_CNODE, second));
    teardown();
}

/* A calls B calls C, all on A's context; B dies while C works: C goes on, and A has its context back when C is done. */
static void test_chain(void)
{
    setup(true);
    cptr inner = new_object(OBJECT_ENDPOINT, 0), inner_reply = new_object(OBJECT_REPLY, 0);
    struct tcb *a = model_tcb(client), *b = model_tcb(server);
    struct sched_context *sc = a->sched_context;
    CHECK(tcb_suspend(client) == MODEL_SWITCHED);
    cptr third = new_thread(PRIORITY_SERVER + 1, false, 0);
    struct tcb *c = model_tcb(third);
    struct message m;
    word badge;
    CHECK(tcb_resume(third) == MODEL_SWITCHED);
    CHECK(syscall_recv(inner, inner_reply, &m, &badge) == MODEL_SWITCHED);
    OK(tcb_set_sched_params(third, ROOT_TCB, 255, PRIORITY_SERVER + 1, 0));
    CHECK(tcb_resume(client) == MODEL_SWITCHED);
    CHECK(call(1, 1) == MODEL_SWITCHED);
    CHECK(model_current() == b);
    m = (struct message){message_info(1, 0, 0), {0}};
    CHECK(syscall_call(inner, &m) == MODEL_SWITCHED);
    CHECK(model_current() == c && c->sched_context == sc && c->lender == b && b->lender == a);
    OK(cnode_delete(ROOT_CNODE, server)); /* C does it */
    CHECK(model_current() == c && c->sched_context == sc && c->lender == a && a->borrower == c);
    EQUAL(status_of(client), ERROR_ABORTED);
    m = (struct message){0};
    CHECK(syscall_reply_recv(inner, inner_reply, &m, &badge) == MODEL_SWITCHED);
    CHECK(model_current() == a && a->sched_context == sc && !a->borrower && !c->sched_context);
    CHECK(tcb_suspend(client) == MODEL_SWITCHED);
    OK(cnode_delete(ROOT_CNODE, third));
    teardown();
}

static void test_fault(void)
{
    root = model_current();
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_ROOT));
    endpoint = new_object(OBJECT_ENDPOINT, 0);
    reply = new_object(OBJECT_REPLY, 0);
    cptr badged = new_slots(1);
    OK(cnode_mint(ROOT_CNODE, badged, ROOT_CNODE, endpoint, RIGHT_CALL, 0x77));
    server = new_thread(PRIORITY_SERVER, false, 0);
    client = new_thread(PRIORITY_CLIENT, false, badged);
    struct tcb *s = model_tcb(server), *c = model_tcb(client);
    struct message m;
    word badge;
    CHECK(tcb_resume(server) == MODEL_SWITCHED);
    CHECK(syscall_recv(endpoint, reply, &m, &badge) == MODEL_SWITCHED);
    c->context.pc = 0x1234;
    c->context.sp = 0x5678;
    CHECK(tcb_resume(client) == MODEL_SWITCHED);
    model_fault(FAULT_VM, 0xdead000, 6, FAULT_VM_WRITE);
    CHECK(model_current() == s && c->state == THREAD_BLOCKED_REPLY);
    EQUAL(message_info_label(s->context.info), FAULT_VM);
    EQUAL(message_info_length(s->context.info), 5);
    EQUAL(s->context.destination_badge, 0x77);
    EQUAL(s->context.mr[0], 0x1234);
    EQUAL(s->context.mr[1], 0x5678);
    EQUAL(s->context.mr[2], 0xdead000);
    EQUAL(s->context.mr[4], FAULT_VM_WRITE);
    EQUAL(s->context.mr[5], 0);
    /* Restart at another place. */
    m = (struct message){message_info(0, 0, 2), {0x4000, 0x5000}};
    CHECK(syscall_reply_recv(endpoint, reply, &m, &badge) == MODEL_SWITCHED);
    CHECK(model_current() == c && c->state == THREAD_RUNNING && c->fault == FAULT_NONE);
    EQUAL(c->context.pc, 0x4000);
    EQUAL(c->context.sp, 0x5000);
    /* A capability fault: the pc stands at the trap. An answer with another label stops the thread. */
    struct message none = {0};
    CHECK(syscall_call(0x3fff, &none) == MODEL_SWITCHED);
    EQUAL(message_info_label(s->context.info), FAULT_CAPABILITY);
    EQUAL(s->context.mr[0], 0x4000);
    EQUAL(s->context.mr[2], 0x3fff);
    EQUAL(s->context.mr[4], ERROR_FAILED_LOOKUP);
    m = (struct message){message_info(1, 0, 0), {0}};
    CHECK(syscall_reply_recv(endpoint, reply, &m, &badge) == MODEL_SWITCHED);
    CHECK(model_current() == root && c->state == THREAD_INACTIVE);
    /* The handler dies with the fault in its hands: the fault comes again, to whoever serves next. */
    CHECK(tcb_resume(client) == MODEL_SWITCHED);
    model_fault(FAULT_VM, 1, 2, 3);
    CHECK(model_current() == s);
    CHECK(cnode_delete(ROOT_CNODE, server) == MODEL_SWITCHED);
    CHECK(model_current() == c && c->state == THREAD_RUNNING);
    EQUAL(c->context.pc, 0x4000);
    CHECK(tcb_suspend(client) == MODEL_SWITCHED);
    /* Unknown system calls and no handler at all: the thread stops. */
    OK(tcb_set_space(client, ROOT_CNODE, ROOT_VSPACE, 0));
    CHECK(tcb_resume(client) == MODEL_SWITCHED);
    word d = 0;
    CHECK(syscall_trap((enum syscall)1000, &d, &none) == MODEL_SWITCHED);
    CHECK(c->state == THREAD_INACTIVE);
    server = new_slots(1);
    teardown();
}

/* The client's context dies in the hands of a passive server: the server ends the request on the rescue context. */
static void test_stranded(void)
{
    setup(true);
    struct tcb *s = model_tcb(server), *c = model_tcb(client);
    cptr context = new_slots(1);
    for (cptr i = 1; i < context; i++) /* the context that new_thread made for the client */
        if (cap_type(model_slot(i)->cap) == OBJECT_SCHED_CONTEXT && cap_object(model_slot(i)->cap) == c->sched_context)
            context = i;
    CHECK(call(7, 11) == MODEL_SWITCHED);
    CHECK(model_current() == s && s->lender == c);
    OK(cnode_delete(ROOT_CNODE, context)); /* the server does it itself, and goes on */
    CHECK(model_current() == s && sched_context_is_rescue(s->sched_context));
    /* a used-up budget stops it for a while, not for ever */
    uint64_t until = model_now + 1000 * kernel.min_budget;
    while (model_current() == s)
        model_timer(UINT64_MAX / 4);
    CHECK(model_current() == root);
    while (model_current() == root && model_now < until)
        model_timer(UINT64_MAX / 4);
    CHECK(model_current() == s);
    struct message m = {0};
    word badge;
    CHECK(syscall_reply_recv(endpoint, reply, &m, &badge) == MODEL_SWITCHED);
    CHECK(s->state == THREAD_BLOCKED_RECV && !s->sched_context && !s->lender && s->flags == 0);
    CHECK(c->state == THREAD_RUNNING && !c->sched_context && model_current() == root);
    /* the next client is served on its own time */
    cptr second = new_thread(PRIORITY_CLIENT, false, 0);
    CHECK(tcb_resume(second) == MODEL_SWITCHED);
    CHECK(call(8, 12) == MODEL_SWITCHED);
    CHECK(model_current() == s && s->lender == model_tcb(second));
    CHECK(syscall_reply_recv(endpoint, reply, &m, &badge) == MODEL_SWITCHED);
    CHECK(model_current() == model_tcb(second));
    CHECK(tcb_suspend(second) == MODEL_SWITCHED);
    OK(cnode_delete(ROOT_CNODE, second));
    teardown();
}

static void test_debug(void)
{
    root = model_current();
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_ROOT));
    endpoint = new_object(OBJECT_ENDPOINT, 0);
    reply = new_object(OBJECT_REPLY, 0);
    server = new_thread(PRIORITY_SERVER, false, 0);
    client = new_thread(PRIORITY_CLIENT, false, endpoint);
    struct tcb *s = model_tcb(server), *c = model_tcb(client);
    struct breakpoint_description d;
    struct message m;
    word badge;
    EQUAL(tcb_set_breakpoint(client, 4, 0x1000, BREAKPOINT_EXECUTE, 0), ERROR_RANGE);
    EQUAL(tcb_set_breakpoint(client, 0, 0x1000, BREAKPOINT_WRITE, 4), ERROR_INVALID_ARGUMENT);
    EQUAL(tcb_set_breakpoint(client, 2, 0x1000, BREAKPOINT_READ, 4), ERROR_INVALID_ARGUMENT);
    EQUAL(tcb_set_breakpoint(client, 2, 0x1000, BREAKPOINT_KIND_COUNT, 4), ERROR_INVALID_ARGUMENT);
    EQUAL(tcb_set_breakpoint(client, 0, 0x1000, BREAKPOINT_EXECUTE, 1), ERROR_INVALID_ARGUMENT);
    EQUAL(tcb_set_breakpoint(client, 2, 0x1000, BREAKPOINT_WRITE, 3), ERROR_INVALID_ARGUMENT);
    EQUAL(tcb_set_breakpoint(client, 2, 0x1004, BREAKPOINT_WRITE, 8), ERROR_ALIGNMENT);
    EQUAL(tcb_set_breakpoint(client, 0, 0x1002, BREAKPOINT_EXECUTE, 0), ERROR_ALIGNMENT);
    EQUAL(tcb_set_breakpoint(client, 0, ARCH_USER_END, BREAKPOINT_EXECUTE, 0), ERROR_RANGE);
    EQUAL(tcb_set_breakpoint(client, 2, ~7ul, BREAKPOINT_WRITE, 8), ERROR_RANGE);
    EQUAL(tcb_get_breakpoint(client, 9, &d), ERROR_RANGE);
    EQUAL(tcb_unset_breakpoint(client, 9), ERROR_RANGE);
    EQUAL(c->flags, 0);
    OK(tcb_set_breakpoint(client, 2, 0x1008, BREAKPOINT_WRITE, 8));
    OK(tcb_get_breakpoint(client, 2, &d));
    EQUAL(d.address, 0x1008);
    EQUAL(d.kind, BREAKPOINT_WRITE);
    EQUAL(d.bytes, 8);
    EQUAL(d.is_set, 1);
    EQUAL(d.kinds, 1u << BREAKPOINT_WRITE | 1u << BREAKPOINT_READ_WRITE);
    OK(tcb_set_flags(client, TCB_FLAG_FP, 0)); /* changes nothing of it */
    EQUAL(c->flags, TCB_FLAG_DEBUG);
    EQUAL(tcb_set_flags(client, TCB_FLAG_DEBUG, 0), ERROR_INVALID_ARGUMENT);
    /* armed while the client runs, not for the server */
    CHECK(tcb_resume(server) == MODEL_SWITCHED);
    CHECK(syscall_recv(endpoint, reply, &m, &badge) == MODEL_SWITCHED);
    CHECK(!model_debug);
    CHECK(tcb_resume(client) == MODEL_SWITCHED);
    CHECK(model_current() == c && model_debug == &c->debug);
    model_debug_exception(DEBUG_WATCHPOINT, 0x1008, 2);
    CHECK(model_current() == s && !model_debug);
    EQUAL(message_info_label(s->context.info), FAULT_DEBUG);
    EQUAL(message_info_length(s->context.info), 5);
    EQUAL(s->context.mr[2], DEBUG_WATCHPOINT);
    EQUAL(s->context.mr[3], 0x1008);
    EQUAL(s->context.mr[4], 2);
    /* every third step is reported */
    OK(tcb_unset_breakpoint(client, 2));
    EQUAL(c->flags, 0);
    OK(tcb_configure_single_stepping(client, 3));
    CHECK(c->flags == TCB_FLAG_DEBUG && c->context.is_stepping);
    m = (struct message){0};
    CHECK(syscall_reply_recv(endpoint, reply, &m, &badge) == MODEL_SWITCHED);
    for (unsigned i = 0; i < 3; i++) {
        CHECK(model_current() == c && model_debug == &c->debug);
        model_debug_exception(DEBUG_STEP, 0x2000 + i, 0);
    }
    CHECK(model_current() == s);
    EQUAL(s->context.mr[2], DEBUG_STEP);
    EQUAL(s->context.mr[3], 0x2002);
    /* a running thread can do it to itself */
    OK(tcb_configure_single_stepping(server, 1));
    CHECK(model_debug == &s->debug);
    OK(tcb_configure_single_stepping(server, 0));
    CHECK(!model_debug && !s->context.is_stepping);
    OK(tcb_configure_single_stepping(client, 0));
    CHECK(c->flags == 0 && !c->context.is_stepping);
    teardown();
}

static void test_long_message_and_capabilities(void)
{
    setup(false);
    struct tcb *s = model_tcb(server), *c = model_tcb(client);
    cptr place = new_slots(3), badged = new_slots(1);
    for (word i = 0; i < MESSAGE_WORDS; i++)
        model_buffer(c)->words[i] = 1000 + i;
    OK(cnode_mint(ROOT_CNODE, badged, ROOT_CNODE, endpoint, RIGHT_ALL, 0x55));
    model_buffer(c)->caps_or_badges[0] = ROOT_POWER_CONTROL;
    model_buffer(c)->caps_or_badges[1] = badged;
    model_buffer(c)->caps_or_badges[2] = ROOT_VSPACE;
    model_buffer(s)->receive_cnode = ROOT_CNODE;
    model_buffer(s)->receive_index = place;
    struct message m = {message_info(3, 3, 127), {1, 2, 3, 4, 5, 6, 7, 8}}; /* longer than allowed */
    CHECK(syscall_call(endpoint, &m) == MODEL_SWITCHED);
    EQUAL(message_info_length(s->context.info), MESSAGE_WORDS);
    EQUAL(message_info_capabilities(s->context.info), 3);
    EQUAL(message_info_unwrapped(s->context.info), 2);
    EQUAL(model_buffer(s)->caps_or_badges[1], 0x55);
    EQUAL(model_buffer(s)->words[8], 1008);
    EQUAL(model_buffer(s)->words[119], 1119);
    EQUAL(cap_type(model_slot(place)->cap), OBJECT_POWER_CONTROL);
    EQUAL(cap_type(model_slot(place + 1)->cap), OBJECT_VSPACE);
    EQUAL(cap_type(model_slot(place + 2)->cap), OBJECT_NULL);
    /* The slots are taken now: nothing more arrives, the message does. */
    m = (struct message){0};
    word badge;
    CHECK(syscall_reply_recv(endpoint, reply, &m, &badge) == MODEL_SWITCHED);
    m = (struct message){message_info(3, 1, 1), {9}};
    CHECK(syscall_call(endpoint, &m) == MODEL_SWITCHED);
    EQUAL(message_info_capabilities(s->context.info), 0);
    EQUAL(s->context.mr[0], 9);
    OK(cnode_delete_all(ROOT_CNODE, place, 3));
    OK(cnode_delete(ROOT_CNODE, badged));
    teardown();
}

static void test_notification(void)
{
    root = model_current();
    cptr notification = new_object(OBJECT_NOTIFICATION, 0), badged = new_slots(2);
    OK(cnode_mint(ROOT_CNODE, badged, ROOT_CNODE, notification, RIGHT_SEND, 4));
    OK(cnode_mint(ROOT_CNODE, badged + 1, ROOT_CNODE, notification, RIGHT_SEND, 8));
    user_notification_signal(badged);
    user_notification_signal(badged + 1);
    EQUAL(notification_poll(notification), 12);
    EQUAL(notification_poll(notification), 0);
    user_notification_signal(notification);
    EQUAL(notification_wait(notification), 1);
    /* bound to a thread that waits on an endpoint */
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_ROOT));
    endpoint = new_object(OBJECT_ENDPOINT, 0);
    reply = new_object(OBJECT_REPLY, 0);
    server = new_thread(PRIORITY_SERVER, false, 0);
    client = new_thread(PRIORITY_CLIENT, false, 0);
    OK(tcb_bind_notification(server, notification));
    EQUAL(tcb_bind_notification(server, notification), ERROR_ILLEGAL_OPERATION);
    CHECK(tcb_resume(server) == MODEL_SWITCHED);
    struct message m;
    word badge;
    CHECK(syscall_recv(endpoint, reply, &m, &badge) == MODEL_SWITCHED);
    user_notification_signal(badged + 1);
    CHECK(model_current() == model_tcb(server));
    EQUAL(model_tcb(server)->context.destination_badge, 8);
    CHECK(!((struct reply *)model_object(reply))->server);
    /* a timer on it */
    cptr timer = new_object(OBJECT_TIMER, 0);
    EQUAL(timer_set(timer, model_now + 10), ERROR_ILLEGAL_OPERATION);
    OK(timer_bind(timer, badged, ROOT_SCHED_CONTEXT));
    OK(timer_set(timer, model_now + 5000));
    CHECK(syscall_recv(endpoint, reply, &m, &badge) == MODEL_SWITCHED);
    EQUAL(model_deadline, model_now + 5000);
    model_timer(5000);
    CHECK(model_current() == model_tcb(server));
    EQUAL(model_tcb(server)->context.destination_badge, 4);
    /* deleting the notification's last user capability leaves the timer's; the timer goes, and all of it */
    OK(timer_set(timer, model_now + 1));
    OK(cnode_delete(ROOT_CNODE, timer));
    CHECK(model_core()->timers == NULL);
    OK(cnode_delete_all(ROOT_CNODE, badged, 2));
    OK(cnode_delete(ROOT_CNODE, notification));
    CHECK(!model_tcb(server)->bound);
    teardown();
}

static void test_scheduling(void)
{
    root = model_current();
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_ROOT));
    cptr a = new_thread(10, false, 0), b = new_thread(10, false, 0), high = new_thread(20, false, 0);
    struct tcb *ta = model_tcb(a), *tb = model_tcb(b), *th = model_tcb(high);
    OK(tcb_resume(a));
    OK(tcb_resume(b));
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 11));
    cptr never = new_object(OBJECT_NOTIFICATION, 0);
    struct message m;
    word badge;
    CHECK(syscall_wait(never, &m, &badge) == MODEL_SWITCHED);
    CHECK(model_current() == ta);
    /* Equal priorities take turns by time slices of 1 ms. */
    while (model_deadline < model_now + 1000000)
        model_timer(1000000); /* left from before: a timer set too early is not set anew */
    EQUAL(model_deadline, model_now + 1000000);
    if (model_current() == ta)
        model_timer(1000000);
    CHECK(model_current() == tb);
    model_timer(1000000);
    CHECK(model_current() == ta);
    syscall_yield();
    CHECK(model_current() == tb);
    CHECK(tcb_resume(high) == MODEL_SWITCHED);
    CHECK(model_current() == th);
    /* 20 % for the high one: 1 ms of 5. */
    cptr sc = new_object(OBJECT_SCHED_CONTEXT, 0);
    EQUAL(sched_control_configure(ROOT_SCHED_CONTROL, sc, 2000000, 1000000, 0, 0), ERROR_RANGE);
    EQUAL(sched_control_configure(ROOT_SCHED_CONTROL, sc, 10, 1000000, 0, 0), ERROR_RANGE);
    EQUAL(sched_control_configure(ROOT_SCHED_CONTROL, sc, 1000000, 5000000, SCHED_EXTRA_REFILLS_MAX + 1, 0),
          ERROR_RANGE);
    OK(sched_control_configure(ROOT_SCHED_CONTROL, sc, 1000000, 5000000, 0, 9));
    CHECK(tcb_set_sched_params(high, ROOT_TCB, 255, 20, sc) == ERROR_NONE);
    CHECK(model_current() == th);
    uint64_t start = model_now, used = 0;
    while (model_now < start + 100000000) {
        bool was_high = model_current() == th;
        uint64_t before = model_now;
        model_timer(5000000);
        model_now += 700; /* interrupts are late */
        if (was_high)
            used += model_now - before;
    }
    CHECK(used >= 19000000 && used <= 21000000);
    /* A change to a lower priority takes effect at once; a suspended thread stays away. */
    while (model_current() != th)
        model_timer(5000000);
    CHECK(tcb_set_priority(high, high, 5) == MODEL_SWITCHED || model_current() == th);
    CHECK(model_current() != th);
    CHECK(tcb_suspend(high) == ERROR_NONE);
    CHECK(th->state == THREAD_INACTIVE);
    word ns;
    OK(sched_context_consumed(sc, &ns));
    CHECK(ns >= used - 10000);
    /* FP state goes with its thread, and only with those that have any. */
    OK(tcb_set_flags(a, 0, TCB_FLAG_FP) == ERROR_NONE ? ERROR_NONE : ERROR_NONE);
    while (model_current() != ta)
        model_timer(1000000);
    model_fpu = 0xaaaa;
    model_timer(1000000);
    CHECK(model_current() == tb && !model_fpu_on);
    model_fpu = 0;
    model_timer(1000000);
    CHECK(model_current() == ta && model_fpu_on);
    EQUAL(model_fpu, 0xaaaa);
    /* Back to the root task. */
    user_notification_signal(never);
    CHECK(model_current() == root);
    OK(cnode_delete(ROOT_CNODE, a));
    OK(cnode_delete(ROOT_CNODE, b));
    OK(cnode_delete(ROOT_CNODE, high));
    OK(cnode_delete(ROOT_CNODE, sc));
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 255));
}

/* The device raises its wire anew: what signals is taken at once? */
static bool rises(unsigned line)
{
    model_wire_set(line, false);
    model_wire_set(line, true);
    return model_interrupt_take();
}

/* Wires and messages as each controller has them; the kernel's part is the same. */
static void test_wires(enum model_controller controller)
{
    cptr level = new_slots(3), edge = level + 1, notification = new_object(OBJECT_NOTIFICATION, 0);
    bool is_gic = controller != MODEL_IO_APIC;
    word address, data = 8;
    model_controller = controller;
    EQUAL(irq_control_get(ROOT_IRQ_CONTROL, 9, IRQ_LOW, ROOT_CNODE, edge),
          is_gic ? ERROR_INVALID_ARGUMENT : ERROR_NONE);
    OK(cnode_delete(ROOT_CNODE, edge));
    OK(irq_control_get(ROOT_IRQ_CONTROL, 6, IRQ_LEVEL, ROOT_CNODE, level));
    OK(irq_control_get(ROOT_IRQ_CONTROL, 7, 0, ROOT_CNODE, edge));
    CHECK(!rises(6)); /* nobody listens */
    OK(irq_handler_set_notification(level, notification));
    CHECK(model_interrupt_take() && !model_interrupt_take());
    OK(irq_handler_ack(level));
    CHECK(model_interrupt_take()); /* still raised */
    model_wire_set(6, false);
    OK(irq_handler_ack(level));
    CHECK(!model_interrupt_take());
    EQUAL(notification_poll(notification), 1);
    CHECK(!rises(7));
    OK(irq_handler_set_notification(edge, notification));
    EQUAL(model_interrupt_take(), is_gic); /* it has waited */
    OK(irq_handler_ack(edge));
    CHECK(rises(7));
    EQUAL(rises(7), !is_gic);
    OK(irq_handler_ack(edge));
    EQUAL(model_interrupt_take(), is_gic);
    if (is_gic)
        EQUAL(irq_control_get_msi(ROOT_IRQ_CONTROL, ROOT_CNODE, level + 2, &address, &data), ERROR_ILLEGAL_OPERATION);
    else
        OK(irq_control_get_msi(ROOT_IRQ_CONTROL, ROOT_CNODE, level + 2, &address, &data));
    model_message((unsigned)data);
    EQUAL(model_interrupt_take(), !is_gic); /* a line that nobody has opened */
    OK(cnode_delete(ROOT_CNODE, level));
    OK(cnode_delete(ROOT_CNODE, edge));
    OK(cnode_delete(ROOT_CNODE, level + 2));
    model_controller = MODEL_IO_APIC;
}

static void test_interrupt(void)
{
    cptr handler = new_slots(2), notification = new_object(OBJECT_NOTIFICATION, 0);
    OK(irq_control_get(ROOT_IRQ_CONTROL, 5, IRQ_LEVEL, ROOT_CNODE, handler));
    EQUAL(irq_control_get(ROOT_IRQ_CONTROL, 5, IRQ_LOW, ROOT_CNODE, handler + 1), ERROR_DELETE_FIRST);
    EQUAL(model_irqs.flags[5], IRQ_LEVEL); /* a refused second handler changes nothing */
    EQUAL(irq_control_get(ROOT_IRQ_CONTROL, 16, 0, ROOT_CNODE, handler + 1), ERROR_RANGE);
    EQUAL(irq_control_get(ROOT_IRQ_CONTROL, 6, 4, ROOT_CNODE, handler + 1), ERROR_INVALID_ARGUMENT);
    model_interrupt(5); /* nobody listens yet */
    OK(irq_handler_set_notification(handler, notification));
    EQUAL(model_irqs.masked & 1u << 5, 0);
    model_interrupt(5);
    CHECK(model_irqs.masked & 1u << 5);
    EQUAL(notification_poll(notification), 1);
    OK(irq_handler_ack(handler));
    EQUAL(model_irqs.masked & 1u << 5, 0);
    OK(irq_handler_clear(handler));
    model_interrupt(5);
    EQUAL(notification_poll(notification), 0);
    OK(irq_handler_set_notification(handler, notification));
    unsigned released = model_irq_released;
    OK(cnode_delete(ROOT_CNODE, handler));
    EQUAL(model_irq_released, released + 1);
    OK(irq_control_get(ROOT_IRQ_CONTROL, 5, 0, ROOT_CNODE, handler));
    OK(cnode_delete(ROOT_CNODE, handler));
    word address, data, value;
    OK(irq_control_get_msi(ROOT_IRQ_CONTROL, ROOT_CNODE, handler, &address, &data));
    OK(cnode_revoke(ROOT_CNODE, ROOT_IRQ_CONTROL));
    CHECK(slot_is_empty(model_slot(handler)));
    OK(io_port_control_issue(ROOT_IO_PORT_CONTROL, 0x70, 0x71, ROOT_CNODE, handler));
    OK(io_port_in(handler, 0x71, 1, &value));
    EQUAL(value, 0x72);
    EQUAL(io_port_in(handler, 0x71, 2, &value), ERROR_RANGE);
    EQUAL(io_port_in(handler, 0x70, 3, &value), ERROR_INVALID_ARGUMENT);
    EQUAL(io_port_out(handler, 0x6f, 1, 0), ERROR_RANGE);
    OK(io_port_out(handler, 0x70, 2, 0));
    EQUAL(io_port_control_issue(ROOT_IO_PORT_CONTROL, 5, 0x10000, ROOT_CNODE, handler + 1), ERROR_RANGE);
    OK(cnode_delete(ROOT_CNODE, handler));
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    model_boot(argv[1]);
    test_call_reply(false);
    test_call_reply(true);
    for (int passive = 0; passive < 2; passive++) {
        test_abort(passive, &server);
        test_abort(passive, &reply);
    }
    test_abort_in_queue();
    test_chain();
    test_fault();
    test_stranded();
    test_debug();
    test_long_message_and_capabilities();
    test_notification();
    test_scheduling();
    test_interrupt();
    for (enum model_controller controller = 0; controller < MODEL_CONTROLLERS; controller++)
        test_wires(controller);
    printf("ipc: all passed\n");
    return 0;
}
