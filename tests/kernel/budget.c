/* Budgets: configuration, sporadic replenishment, time-outs, charging, lending, yields. Times are guest time: exact
 * under -icount, where a step of a spinning thread is one instruction. */
#include "test.h"

#define US 1000ul
#define MS 1000000ul

static volatile word runs[4]; /* how long each spinner ran, in ticks */
static volatile bool stop;

/* Adds up the time that passes while it runs: gaps of more than 2 us are somebody else's. */
static void spinner(word which)
{
    word last = ticks_now();
    while (!stop) {
        word now = ticks_now();
        if (now - last < ns_to_ticks(2 * US))
            runs[which] += now - last;
        last = now;
    }
}

static word ran_ns(word which)
{
    return ticks_to_ns(runs[which]);
}

static struct thread *spinner_new(word which, word priority, word budget, word period)
{
    struct thread *t = thread_new(spinner, which, priority, 0);
    OK(sched_control_configure(ROOT_SCHED_CONTROL, t->sched_context, budget, period, 0, 0));
    runs[which] = 0;
    stop = false;
    return t;
}

static void check_between(word value, word low, word high)
{
    NOTE(value);
    NOTE(low);
    NOTE(high);
    CHECK(value >= low && value <= high);
}

CASE(budget_arguments,
     "Budgets from 10 us up to the period, periods of some centuries, 0 to 23 extra refills; no flags")
{
    cptr sc = object_new(OBJECT_SCHED_CONTEXT, 0);
    static const struct {
        word budget, period, refills;
        enum error error;
    } list[] = {{11 * US, 11 * US, 0, ERROR_NONE}, {9 * US, MS, 0, ERROR_RANGE},   {MS + US, MS, 0, ERROR_RANGE},
                {MS, MS, 23, ERROR_NONE},          {MS, MS, 24, ERROR_RANGE},      {MS, MS, ~0ul, ERROR_RANGE},
                {MS, ~0ul, 0, ERROR_RANGE},        {MS, 1ul << 60, 0, ERROR_NONE}, {0, 0, 0, ERROR_RANGE}};
    for (unsigned i = 0; i < COUNT(list); i++) {
        NOTE(i);
        EQUAL(sched_control_configure(ROOT_SCHED_CONTROL, sc, list[i].budget, list[i].period, list[i].refills, 0),
              list[i].error);
    }
    struct message m = {0, {sc, MS, MS, 0, 0, 1}};
    EQUAL(invoked(ROOT_SCHED_CONTROL, SCHED_CONTROL_CONFIGURE, 6, &m), ERROR_INVALID_ARGUMENT);
    EQUAL(m.words[0], 5);
    m = (struct message){0, {sc, MS, ~0ul}};
    EQUAL(invoked(ROOT_SCHED_CONTROL, SCHED_CONTROL_CONFIGURE, 6, &m), ERROR_RANGE);
    word longest = m.words[1];
    OK(sched_control_configure(ROOT_SCHED_CONTROL, sc, MS, longest, 0, 0));
    EQUAL(sched_control_configure(ROOT_SCHED_CONTROL, sc, MS, longest + 1, 0, 0), ERROR_RANGE);
}

CASE_TIMED(budget_shares, "Sporadic shares of 10, 25 and 50 % at the highest priority are kept within half a point; "
                          "the rest is the lower one's")
{
    static const word shares[] = {10, 25, 50};
    for (unsigned i = 0; i < COUNT(shares); i++) {
        struct thread *t = spinner_new(0, PRIORITY_HIGH, shares[i] * 20 * US, 2 * MS);
        struct thread *rest = spinner_new(1, PRIORITY_LOW, 10 * MS, 10 * MS);
        word start = ticks_now();
        thread_start(rest);
        thread_start(t);
        sleep_ns(300 * MS);
        word elapsed = ticks_to_ns(ticks_now() - start);
        OK(tcb_suspend(t->tcb));
        OK(tcb_suspend(rest->tcb));
        NOTE(shares[i]);
        check_between(ran_ns(0) * 1000 / elapsed, shares[i] * 10 - 5, shares[i] * 10 + 5);
        CHECK(ran_ns(0) + ran_ns(1) > elapsed * 98 / 100);
    }
}

CASE_TIMED(budget_first_period,
           "A fresh budget can be used at once, whole, and comes back one period after its use began")
{
    struct thread *t = spinner_new(0, PRIORITY_HIGH, 300 * US, 2 * MS);
    word start = ticks_now();
    thread_start(t); /* until it has used it up */
    word first = ticks_to_ns(ticks_now() - start);
    check_between(first, 300 * US, 340 * US);
    spin_ns(1500 * US);
    check_between(ran_ns(0), 260 * US, 320 * US);
    spin_ns(300 * US); /* now it is 2.1 ms: its second turn is behind us or going on */
    check_between(ticks_to_ns(ticks_now() - start), 2 * MS, 2600 * US);
    check_between(ran_ns(0), 500 * US, 640 * US);
}

static cptr ping, pong;

/* Runs in pieces: until the root task lets it go on. */
static void pieces(word ns)
{
    for (;;) {
        (void)notification_wait(ping);
        spin_ns(ns);
        notification_signal(pong);
    }
}

CASE_TIMED(
    budget_in_pieces,
    "What was used in pieces comes back in pieces, one period after each; never more than the budget in a period")
{
    ping = object_new(OBJECT_NOTIFICATION, 0);
    pong = object_new(OBJECT_NOTIFICATION, 0);
    struct thread *t = thread_new(pieces, 100 * US, PRIORITY_HIGH, 0);
    OK(sched_control_configure(ROOT_SCHED_CONTROL, t->sched_context, 400 * US, 4 * MS, 4, 0));
    thread_start(t);
    word start = ticks_now();
    for (unsigned i = 0; i < 3; i++) { /* at 0, 0.5 and 1 ms */
        notification_signal(ping);
        EQUAL(notification_poll(pong), 1);
        word gone = ticks_to_ns(ticks_now() - start);
        spin_ns((i + 1) * 500 * US - gone);
    }
    notification_signal(ping); /* the fourth needs all the rest, and is cut short by its own overhead */
    spin_ns(1 * MS);
    word gone = ticks_to_ns(ticks_now() - start);
    check_between(gone, 2 * MS, 3 * MS);
    EQUAL(notification_poll(pong), 0);
    (void)notification_wait(pong);
    check_between(ticks_to_ns(ticks_now() - start), 4 * MS, 4600 * US); /* when the first piece came back */
}

CASE(budget_not_saved_up,
     "Time that was not used is not saved: after a long sleep a thread has one budget, not several")
{
    ping = object_new(OBJECT_NOTIFICATION, 0);
    pong = object_new(OBJECT_NOTIFICATION, 0);
    struct thread *t = thread_new(pieces, 900 * US, PRIORITY_HIGH, 0);
    OK(sched_control_configure(ROOT_SCHED_CONTROL, t->sched_context, 300 * US, 2 * MS, 0, 0));
    thread_start(t);
    spin_ns(9 * MS);
    word start = ticks_now();
    notification_signal(ping);
    check_between(ticks_to_ns(ticks_now() - start), 290 * US, 360 * US); /* then it had to stop */
    (void)notification_wait(pong); /* at its next period: by the clock its work was over long before */
    check_between(ticks_to_ns(ticks_now() - start), 1900 * US, 2200 * US);
}

CASE(budget_reconfigured,
     "A new configuration counts from its moment: more for one that is spent, an end for one that runs")
{
    struct thread *t = spinner_new(0, PRIORITY_HIGH, 200 * US, 1000 * MS);
    thread_start(t);
    word first = ran_ns(0);
    check_between(first, 150 * US, 230 * US);
    OK(sched_control_configure(ROOT_SCHED_CONTROL, t->sched_context, 500 * US, 1000 * MS, 0, 0));
    check_between(ran_ns(0) - first, 440 * US, 530 * US); /* it ran at once */
    spin_ns(1 * MS);
    check_between(ran_ns(0) - first, 440 * US, 530 * US);
}

CASE(budget_none, "A context that was never configured, or none, does not run its thread; nobody else is held up")
{
    struct actor *a = actor_new(PRIORITY_HIGH, 0, 0);
    cptr empty = object_new(OBJECT_SCHED_CONTEXT, 0);
    (void)actor_step(a, SYSCALL_YIELD, 0, 0, NULL);
    thread_make_passive(a->thread);
    actor_start(a);
    EQUAL(a->done, 0);
    OK(sched_context_bind(empty, a->thread->tcb));
    spin_ns(100 * US);
    EQUAL(a->done, 0);
    OK(sched_control_configure(ROOT_SCHED_CONTROL, empty, 100 * US, 100 * US, 0, 0));
    EQUAL(a->done, 1);
}

CASE(budget_bind_errors, "A context has one thread or notification, and these one context: everything else is refused")
{
    cptr sc = object_new(OBJECT_SCHED_CONTEXT, 0), other = object_new(OBJECT_SCHED_CONTEXT, 0);
    cptr ntfn = object_new(OBJECT_NOTIFICATION, 0), tcb = object_new(OBJECT_TCB, 0), second = object_new(OBJECT_TCB, 0);
    OK(sched_context_bind(sc, tcb));
    EQUAL(sched_context_bind(sc, second), ERROR_ILLEGAL_OPERATION);
    EQUAL(sched_context_bind(sc, ntfn), ERROR_ILLEGAL_OPERATION);
    EQUAL(sched_context_bind(other, tcb), ERROR_ILLEGAL_OPERATION);
    OK(sched_context_unbind(sc));
    OK(sched_context_unbind(sc));
    OK(sched_context_bind(sc, ntfn));
    EQUAL(sched_context_bind(other, ntfn), ERROR_ILLEGAL_OPERATION);
    EQUAL(sched_context_bind(sc, tcb), ERROR_ILLEGAL_OPERATION);
    OK(sched_context_unbind(sc));
    OK(sched_context_bind(sc, tcb));
}

CASE(budget_borrower_refused, "Neither the lender of a context nor its borrower can be given another one")
{
    cptr endpoint = object_new(OBJECT_ENDPOINT, 0), reply = object_new(OBJECT_REPLY, 0);
    cptr sc = object_new(OBJECT_SCHED_CONTEXT, 0);
    struct actor *server = actor_new(PRIORITY_LOW, 0, 0);
    (void)actor_step(server, SYSCALL_RECV, endpoint, reply, NULL);
    actor_step(server, SYSCALL_REPLY_RECV, endpoint, reply, NULL)->is_echo = true;
    actor_start(server);
    sleep_ns(100 * US);
    thread_make_passive(server->thread);
    struct actor *client = actor_calls(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0, 3);
    struct actor *both[] = {server, client};
    for (unsigned i = 0; i < 2; i++) {
        NOTE(i);
        EQUAL(sched_context_bind(sc, both[i]->thread->tcb), ERROR_ILLEGAL_OPERATION);
        EQUAL(tcb_set_sched_params(both[i]->thread->tcb, ROOT_TCB, 255, PRIORITY_LOW, sc), ERROR_ILLEGAL_OPERATION);
    }
    sleep_ns(200 * US);
    EQUAL(actor_result(client, 0)->m.words[0], 3);
}

CASE(consumed_of_another,
     "CONSUMED tells a spinner's time to the microsecond, begins anew, and nothing while it sleeps")
{
    struct thread *t = spinner_new(0, PRIORITY_HIGH, 500 * US, 1000 * MS);
    word ns;
    OK(sched_context_consumed(t->sched_context, &ns));
    EQUAL(ns, 0);
    thread_start(t);
    OK(sched_context_consumed(t->sched_context, &ns));
    check_between(ns, 499 * US, 540 * US);
    spin_ns(200 * US);
    OK(sched_context_consumed(t->sched_context, &ns));
    EQUAL(ns, 0);
}

CASE(consumed_of_own, "CONSUMED of the running context counts up to now")
{
    word ns;
    OK(sched_context_consumed(ROOT_SCHED_CONTEXT, &ns));
    word start = ticks_now();
    spin_ns(700 * US);
    OK(sched_context_consumed(ROOT_SCHED_CONTEXT, &ns));
    check_between(ns, 700 * US, ticks_to_ns(ticks_now() - start) + 20 * US);
}

CASE(consumed_when_lent, "A passive server's time is charged to the caller's context")
{
    cptr endpoint = object_new(OBJECT_ENDPOINT, 0), reply = object_new(OBJECT_REPLY, 0);
    struct actor *server = actor_serves(PRIORITY_HIGH, ACTOR_PASSIVE, endpoint, reply);
    struct actor *client = actor_new(PRIORITY_HIGH, 0, 0);
    word ns, client_ns;
    for (unsigned i = 0; i < 9; i++)
        (void)actor_step(client, SYSCALL_CALL, endpoint, 0, NULL);
    OK(sched_context_consumed(server->thread->sched_context, &ns));
    actor_start(client);
    EQUAL(client->done, 9);
    OK(sched_context_consumed(server->thread->sched_context, &ns));
    EQUAL(ns, 0);
    OK(sched_context_consumed(client->thread->sched_context, &client_ns));
    CHECK(client_ns > 1000);
}

CASE(timer_charged, "Each expiry of a timer is charged to its context, whoever runs meanwhile")
{
    cptr sc = object_new(OBJECT_SCHED_CONTEXT, 0), ntfn = object_new(OBJECT_NOTIFICATION, 0);
    cptr timer = object_new(OBJECT_TIMER, 0);
    word one, three;
    OK(sched_control_configure(ROOT_SCHED_CONTROL, sc, MS, 10 * MS, 0, 0));
    OK(timer_bind(timer, ntfn, sc));
    OK(timer_set(timer, ticks_now()));
    EQUAL(notification_wait(ntfn), 1);
    OK(sched_context_consumed(sc, &one));
    CHECK(one > 0);
    for (unsigned i = 0; i < 3; i++) {
        OK(timer_set(timer, ticks_now()));
        EQUAL(notification_wait(ntfn), 1);
    }
    OK(sched_context_consumed(sc, &three));
    check_between(three, 3 * one - 3, 3 * one + 3);
}

CASE(round_robin_slices, "Two threads of equal priority take turns of exactly their time slices")
{
    struct thread *a = spinner_new(0, PRIORITY_LOW, 200 * US, 200 * US);
    struct thread *b = spinner_new(1, PRIORITY_LOW, 600 * US, 600 * US);
    thread_start(a);
    thread_start(b);
    sleep_ns(16 * MS);
    OK(tcb_suspend(a->tcb));
    OK(tcb_suspend(b->tcb));
    check_between(ran_ns(1) * 100 / ran_ns(0), 270, 330);
}

CASE(yield_order, "Yield goes behind all equals that are ready, once, and to nobody of lower priority")
{
    struct actor *a[3], *low = actor_calls(PRIORITY_ROOT - 1, SYSCALL_YIELD, 0, 0, 0);
    for (word i = 0; i < 3; i++) {
        a[i] = actor_new(PRIORITY_ROOT, 0, 0);
        (void)actor_step(a[i], SYSCALL_YIELD, 0, 0, NULL);
        actor_start(a[i]);
    }
    for (word i = 0; i < 3; i++)
        EQUAL(a[i]->done, 0);
    syscall_yield(); /* each begins its yield and gives way */
    for (word i = 0; i < 3; i++)
        EQUAL(a[i]->done, 0);
    syscall_yield(); /* and ends it */
    for (word i = 0; i < 3; i++)
        EQUAL(a[i]->done, 1);
    EQUAL(low->done, 0);
}

CASE(yield_keeps_budget, "Yield with nobody else there costs no budget")
{
    cptr ntfn = object_new(OBJECT_NOTIFICATION, 0);
    struct actor *a = actor_new(PRIORITY_HIGH, 0, 0);
    for (unsigned i = 0; i < STEPS_PER_ACTOR; i++)
        (void)actor_step(a, SYSCALL_YIELD, 0, 0, NULL);
    (void)ntfn;
    OK(sched_control_configure(ROOT_SCHED_CONTROL, a->thread->sched_context, 200 * US, 1000 * MS, 0, 0));
    actor_start(a);
    EQUAL(a->done, STEPS_PER_ACTOR);
}

CASE(yield_to_errors,
     "YIELD_TO refuses contexts without thread, the caller's own, and threads above the caller's maximum")
{
    cptr sc = object_new(OBJECT_SCHED_CONTEXT, 0), endpoint = object_new(OBJECT_ENDPOINT, 0);
    struct actor *above = actor_new(200, 0, 0), *a = actor_new(PRIORITY_HIGH, 0, 0);
    word ns;
    EQUAL(sched_context_yield_to(sc, &ns), ERROR_ILLEGAL_OPERATION);
    EQUAL(sched_context_yield_to(ROOT_SCHED_CONTEXT, &ns), ERROR_ILLEGAL_OPERATION);
    struct message m = {message_info(SCHED_CONTEXT_YIELD_TO, 0, 0), {0}};
    (void)actor_step(a, SYSCALL_CALL, above->thread->sched_context, 0, &m);
    (void)actor_step(a, SYSCALL_SEND, endpoint, 0, NULL);
    (void)actor_step(a, SYSCALL_CALL, above->thread->sched_context, 0, &m);
    OK(tcb_set_sched_params(a->thread->tcb, ROOT_TCB, 199, PRIORITY_HIGH, a->thread->sched_context));
    actor_start(a);
    EQUAL(message_info_label(actor_result(a, 0)->m.info), ERROR_ILLEGAL_OPERATION);
    OK(tcb_set_sched_params(a->thread->tcb, ROOT_TCB, 200, PRIORITY_HIGH, a->thread->sched_context));
    OK(syscall_wait(endpoint, &m, &ns));
    EQUAL(message_info_label(actor_result(a, 2)->m.info), ERROR_NONE);
    OK(sched_context_yield_to(above->thread->sched_context, &ns)); /* it is not ready: nothing happens */
}

CASE(timeout_answer_stops,
     "A time-out fault that is answered with a label leaves the thread stopped; label 0 lets it go on")
{
    cptr endpoint = object_new(OBJECT_ENDPOINT, 0), reply = object_new(OBJECT_REPLY, 0);
    struct thread *t = spinner_new(0, PRIORITY_HIGH, 200 * US, 400 * US);
    OK(tcb_set_timeout_endpoint(t->tcb, endpoint));
    thread_start(t);
    struct message m;
    word badge;
    OK(syscall_recv(endpoint, reply, &m, &badge));
    EQUAL(message_info_label(m.info), FAULT_TIMEOUT);
    EQUAL(message_info_length(m.info), 4);
    spin_ns(900 * US);
    word before = runs[0];
    m.info = message_info(0, 0, 0);
    OK(syscall_send(reply, &m));
    CHECK(runs[0] > before);
    OK(syscall_recv(endpoint, reply, &m, &badge));
    m.info = message_info(1, 0, 0);
    before = runs[0];
    OK(syscall_send(reply, &m));
    spin_ns(900 * US);
    EQUAL(runs[0], before);
    OK(tcb_resume(t->tcb));
    CHECK(runs[0] > before);
}

CASE(timeout_round_robin_none, "A round-robin context's end of slice is no time-out fault")
{
    cptr endpoint = object_new(OBJECT_ENDPOINT, 0), reply = object_new(OBJECT_REPLY, 0);
    struct thread *t = spinner_new(0, PRIORITY_LOW, 100 * US, 100 * US);
    struct thread *u = spinner_new(1, PRIORITY_LOW, 100 * US, 100 * US);
    OK(tcb_set_timeout_endpoint(t->tcb, endpoint));
    thread_start(t);
    thread_start(u);
    sleep_ns(2 * MS);
    struct message m;
    word badge;
    OK(syscall_nbrecv(endpoint, reply, &m, &badge));
    EQUAL(m.info, 0);
    CHECK(runs[0] > 0 && runs[1] > 0);
}
