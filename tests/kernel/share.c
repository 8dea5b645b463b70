/* Budgets hold, whatever a thread does: one with 10 % gets 10 % of a second, within half a point.
 *
 * The greedy thread is above all others, so only its budget holds it back. A spinner of low priority takes what is left
 * and both contexts are asked afterwards what they used, against the clock.
 */
#include "test.h"

#define SECOND_NS 1000000000ul
#define PERIOD_NS 10000000ul
#define BUDGET_NS 1000000ul

static cptr endpoint, reply, notification, timers, scratch_untyped, scratch_slots;
static volatile word turns;

static void setup(void)
{
    endpoint = object_new(OBJECT_ENDPOINT, 0);
    reply = object_new(OBJECT_REPLY, 0);
    notification = object_new(OBJECT_NOTIFICATION, 0);
    turns = 0;
}

static void spins(word unused)
{
    (void)unused;
    for (;;)
        turns = turns + 1;
}

/* In hundredths of a percent of the time that the root task slept. */
static void expect_share(struct thread *greedy, word expected, word tolerance)
{
    struct thread *other = thread_new(spins, 0, PRIORITY_LOW - 5, 0);
    OK(sched_control_configure(ROOT_SCHED_CONTROL, greedy->sched_context, BUDGET_NS, PERIOD_NS, 4, 0));
    thread_start(other);
    thread_start(greedy);
    sleep_ns(2 * PERIOD_NS); /* the first budget, there at once, is behind it */
    word used, left;
    OK(sched_context_consumed(greedy->sched_context, &used));
    OK(sched_context_consumed(other->sched_context, &left));
    word start = ticks_now();
    sleep_ns(SECOND_NS);
    word elapsed = ticks_to_ns(ticks_now() - start);
    OK(sched_context_consumed(greedy->sched_context, &used));
    OK(sched_context_consumed(other->sched_context, &left));
    word share = used * 10000 / elapsed, rest = left * 10000 / elapsed;
    say("(%u + %u of 10000) ", share, rest);
    CHECK(share <= expected + tolerance);
    CHECK(share + tolerance >= expected || expected == 0);
    CHECK(rest + share + 100 >= 10000); /* nobody loses: what is not used by one is the other's */
}

#define GREEDY_CASE(name, description, body)                                                                           \
    static void name##_greedy(word argument)                                                                           \
    {                                                                                                                  \
        (void)argument;                                                                                                \
        for (;;) {                                                                                                     \
            body                                                                                                       \
        }                                                                                                              \
    }                                                                                                                  \
    CASE_TIMED(name, description)

GREEDY_CASE(share_spin, "A thread with 10 % that spins gets 10 % of a second", { turns = turns + 1; })
{
    setup();
    expect_share(thread_new(share_spin_greedy, 0, PRIORITY_LOW, 0), 1000, 50);
}

GREEDY_CASE(share_calls, "The same for one that makes system calls all the time",
            { (void)sched_context_bind(ROOT_SCHED_CONTEXT, ROOT_TCB); })
{
    setup();
    expect_share(thread_new(share_calls_greedy, 0, PRIORITY_LOW, 0), 1000, 50);
}

GREEDY_CASE(share_yields, "The same for one that yields all the time", { syscall_yield(); })
{
    setup();
    expect_share(thread_new(share_yields_greedy, 0, PRIORITY_LOW, 0), 1000, 50);
}

GREEDY_CASE(share_signals, "The same for one that signals and polls all the time", {
    notification_signal(notification);
    (void)notification_poll(notification);
})
{
    setup();
    expect_share(thread_new(share_signals_greedy, 0, PRIORITY_LOW, 0), 1000, 50);
}

static void echo(word unused)
{
    (void)unused;
    struct message m;
    word badge;
    (void)syscall_recv(endpoint, reply, &m, &badge);
    for (;;) {
        for (unsigned i = 0; i < 200; i++)
            turns = turns + 1;
        (void)syscall_reply_recv(endpoint, reply, &m, &badge);
    }
}

GREEDY_CASE(share_passive_server, "The same for one that calls a passive server: its work is the caller's", {
    struct message m = {0};
    (void)syscall_call(endpoint, &m);
})
{
    setup();
    struct thread *server = thread_new(echo, 0, PRIORITY_LOW + 1, 0);
    thread_start(server);
    sleep_ns(1000000);
    thread_make_passive(server);
    expect_share(thread_new(share_passive_server_greedy, 0, PRIORITY_LOW, 0), 1000, 50);
}

static void handler(word unused)
{
    (void)unused;
    struct message m;
    word badge;
    (void)syscall_recv(endpoint, reply, &m, &badge);
    for (;;) {
        m.info = 0;
        (void)syscall_reply_recv(endpoint, reply, &m, &badge);
    }
}

GREEDY_CASE(share_faults, "The same for one that faults all the time, with a passive handler", {
#if defined(__x86_64__)
    word number = 9999;
    __asm__ volatile("syscall"
                     : "+a"(number)::"rcx", "r11", "memory", "rdi", "rsi", "rdx", "r10", "r8", "r9", "rbx", "r12",
                       "r13", "r14");
#else
    __asm__ volatile("svc #9999" ::
                         : "memory", "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12",
                           "x13", "x14", "x15", "x16", "x17", "x18");
#endif
})
{
    setup();
    struct thread *server = thread_new(handler, 0, PRIORITY_LOW + 1, 0);
    thread_start(server);
    sleep_ns(1000000);
    thread_make_passive(server);
    expect_share(thread_new(share_faults_greedy, 0, PRIORITY_LOW, endpoint), 1000, 50);
}

#define TIMERS 64
GREEDY_CASE(share_timers, "The same for one that arms timers all the time, which expire at once", {
    for (cptr i = 0; i < TIMERS; i++)
        (void)timer_set(timers + i, ticks_now() + i * 64);
})
{
    setup();
    timers = objects_new(OBJECT_TIMER, 0, TIMERS);
    struct thread *greedy = thread_new(share_timers_greedy, 0, PRIORITY_LOW, 0);
    for (cptr i = 0; i < TIMERS; i++)
        OK(timer_bind(timers + i, notification, greedy->sched_context));
    expect_share(greedy, 1000, 50);
    OK(cnode_delete_all(ROOT_CNODE, timers, TIMERS));
}

GREEDY_CASE(share_retype, "The same for one that makes and deletes large objects all the time, preempted in the middle",
            {
                word done;
                (void)untyped_retype(scratch_untyped, OBJECT_FRAME, 20, ROOT_CNODE, scratch_slots, 1, &done);
                (void)cnode_revoke(ROOT_CNODE, scratch_untyped);
            })
{
    setup();
    scratch_untyped = object_new(OBJECT_UNTYPED, 20);
    scratch_slots = slots_new(1);
    expect_share(thread_new(share_retype_greedy, 0, PRIORITY_LOW, 0), 1000, 50);
}

/* Works for most of its budget, sleeps over the end, and comes back. */
static void sleeper(word own_timer)
{
    for (;;) {
        word end = ticks_now() + ns_to_ticks(BUDGET_NS - BUDGET_NS / 20);
        while (ticks_now() < end)
            turns = turns + 1;
        (void)timer_set((cptr)own_timer, ticks_now() + ns_to_ticks(BUDGET_NS / 10));
        (void)notification_wait(notification);
    }
}

CASE_TIMED(share_sleeps, "One that sleeps just before the end of its budget gets no more than 10 %")
{
    setup();
    cptr timer = object_new(OBJECT_TIMER, 0);
    struct thread *greedy = thread_new(sleeper, timer, PRIORITY_LOW, 0);
    OK(timer_bind(timer, notification, greedy->sched_context));
    expect_share(greedy, 0, 1050);
}
