/* Attacks on budgets: timers and pieces of time that others pay for. */
#include "attack.h"

#include <kernel/clock.h>
#include <sched/sched_context.h>

#define BUDGET_MINIMA 100
#define PERIOD_MINIMA 1000
#define EXPIRIES      (BUDGET_MINIMA * 8) /* what the budget pays for */

static cptr sporadic_context(word period_minima)
{
    cptr context = new_object(OBJECT_SCHED_CONTEXT, 0);
    word minimum = kernel.min_budget; /* a tick is a nanosecond */
    OK(sched_control_configure(ROOT_SCHED_CONTROL, context, BUDGET_MINIMA * minimum, period_minima * minimum, 0, 0));
    return context;
}

/* A thread with a tenth of the time, and a timer that is charged to `payer` (0: to the thread's context). */
static cptr new_arming_thread(cptr *timer, cptr payer)
{
    cptr thread = new_thread(100, true, 0), context = sporadic_context(PERIOD_MINIMA);
    *timer = new_object(OBJECT_TIMER, 0);
    OK(timer_bind(*timer, new_object(OBJECT_NOTIFICATION, 0), payer ? payer : context));
    OK(tcb_set_sched_params(thread, ROOT_TCB, 255, 100, context));
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 50));
    return thread;
}

static void end_arming_thread(cptr thread)
{
    OK(cnode_delete(ROOT_CNODE, thread));
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 255));
}

/* Timers whose context cannot pay are paid for by the thread that arms them: they expire in the others' time. */
static void test_timers_unpaid(void)
{
    cptr timer, empty = new_object(OBJECT_SCHED_CONTEXT, 0), thread = new_arming_thread(&timer, empty);
    run_thread(thread);
    for (unsigned i = 0; i < EXPIRIES + 10 && model_current() == model_tcb(thread); i++)
        (void)timer_set(timer, model_now + 1000000000);
    CHECK(model_current() != model_tcb(thread));
    end_arming_thread(thread);
}

/* The same when it names such a context after it has armed the timer. */
static void test_timers_bound_anew(void)
{
    cptr timer, empty = new_object(OBJECT_SCHED_CONTEXT, 0), thread = new_arming_thread(&timer, 0);
    cptr notification = new_object(OBJECT_NOTIFICATION, 0);
    OK(timer_set(timer, model_now + 1000000000));
    run_thread(thread);
    for (unsigned i = 0; i < EXPIRIES + 10 && model_current() == model_tcb(thread); i++)
        (void)timer_bind(timer, notification, empty);
    CHECK(model_current() != model_tcb(thread));
    end_arming_thread(thread);
}

/* Its own timers' expiry ends a thread's budget like anything else: it does not run on, on what is due later. */
static void test_timers_beyond_budget(void)
{
    cptr timer, thread = new_arming_thread(&timer, 0);
    struct sched_context *sc = model_tcb(thread)->sched_context;
    run_thread(thread);
    while (sched_context_is_ready(sc)) {
        OK(timer_set(timer, model_now));
        model_timer(0);
    }
    CHECK(model_current() != model_tcb(thread));
    end_arming_thread(thread);
}

/* So many expiries of a timer are charged to a context that nobody runs on. */
static void charge_expiries(cptr context, unsigned count)
{
    cptr timer = new_object(OBJECT_TIMER, 0);
    OK(timer_bind(timer, new_object(OBJECT_NOTIFICATION, 0), context));
    for (unsigned i = 0; i < count; i++) {
        OK(timer_set(timer, model_now));
        model_timer(0);
    }
    OK(cnode_delete(ROOT_CNODE, timer));
}

/* What a context pays that was idle for long does not come back at once. */
static void test_timers_of_idle_context(void)
{
    cptr context = sporadic_context(PERIOD_MINIMA);
    struct sched_context *sc = model_object(context);
    model_now += 100 * PERIOD_MINIMA * kernel.min_budget;
    charge_expiries(context, EXPIRIES);
    CHECK(!sched_context_is_ready(sc));
    model_now += PERIOD_MINIMA * kernel.min_budget;
    CHECK(sched_context_is_ready(sc));
    OK(cnode_delete(ROOT_CNODE, context));
}

/* Contexts with many refills make expiry long: a device's interrupt gets in between any two. */
static void test_timers_give_way(void)
{
    cptr timers = new_objects(OBJECT_TIMER, 0, 3), notification = new_object(OBJECT_NOTIFICATION, 0);
    for (cptr i = 0; i < 3; i++) {
        cptr badged = new_slots(1);
        OK(cnode_mint(ROOT_CNODE, badged, ROOT_CNODE, notification, RIGHT_SEND, 1ul << i));
        OK(timer_bind(timers + i, badged, ROOT_SCHED_CONTEXT));
        OK(timer_set(timers + i, model_now));
    }
    model_interrupt_waits = true;
    model_patience = 0;
    model_timer(10);
    model_timer(10);
    model_interrupt_waits = false;
    EQUAL(__builtin_popcountl(notification_poll(notification)), 2);
    model_timer(10);
    EQUAL(__builtin_popcountl(notification_poll(notification)), 1);
    OK(cnode_delete_all(ROOT_CNODE, timers, 3));
}

/* With a period of decades a debt comes to centuries, but never to the end of the clock and round it. */
static void test_debt_wraps(void)
{
    cptr context = sporadic_context((CLOCK_FOREVER / 2) / kernel.min_budget);
    struct sched_context *sc = model_object(context);
    charge_expiries(context, EXPIRIES);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t time = sc->refills[sc->refill_head].time;
        charge_expiries(context, EXPIRIES / 2);
        CHECK(sc->refills[sc->refill_head].time >= time);
    }
    OK(cnode_delete(ROOT_CNODE, context));
}

/* A timer's expiry that the running thread pays for in advance shortens its budget: the interrupt at its end comes
 * earlier, though nothing else changes. */
static void test_prepaid_end(void)
{
    cptr timer, empty = new_object(OBJECT_SCHED_CONTEXT, 0), thread = new_arming_thread(&timer, 0);
    cptr notification = new_object(OBJECT_NOTIFICATION, 0);
    OK(timer_set(timer, model_now + 1000000000));
    run_thread(thread);
    uint64_t end = model_deadline;
    model_now += kernel.min_budget; /* not charged yet: so much is there to pay with */
    OK(timer_bind(timer, notification, empty));
    CHECK(model_current() == model_tcb(thread));
    EQUAL(model_deadline, end - kernel.min_budget / 8);
    CHECK(tcb_suspend(thread) == MODEL_SWITCHED);
    end_arming_thread(thread);
}

/* --- budgets are conserved, as check_time.c sees it --- */

#define LATENESS 1 /* of the model's timer: no more than rounding */

static void time_pass(uint64_t ticks)
{
    uint64_t end = model_now + ticks;
    for (unsigned left = 10000; model_now < end; left--) {
        CHECK(left > 0); /* else the timer comes again and again */
        model_timer(end - model_now);
    }
}

static unsigned next_random(unsigned *state, unsigned limit)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % limit;
}

/* A thread that waits when it likes, and uses what it has in more and smaller pieces than it has refills. */
static void use_in_pieces(unsigned refills)
{
    cptr timer = new_object(OBJECT_TIMER, 0), notification = new_object(OBJECT_NOTIFICATION, 0);
    cptr thread = new_thread(100, true, 0), context = new_object(OBJECT_SCHED_CONTEXT, 0);
    word minimum = kernel.min_budget, badge;
    struct message m;
    unsigned random = refills + 1;
    OK(sched_control_configure(ROOT_SCHED_CONTROL, context, BUDGET_MINIMA * minimum, PERIOD_MINIMA * minimum, refills,
                               0));
    OK(timer_bind(timer, notification, ROOT_SCHED_CONTEXT));
    OK(tcb_set_sched_params(thread, ROOT_TCB, 255, 100, context));
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 50));
    model_lateness = LATENESS;
    run_thread(thread);
    for (unsigned i = 0; i < 400; i++) {
        bool is_greedy = i % 100 >= 80; /* takes all there is */
        time_pass((is_greedy ? BUDGET_MINIMA : 1 + next_random(&random, BUDGET_MINIMA / 2)) * minimum);
        while (model_current() != model_tcb(thread))
            model_timer(PERIOD_MINIMA * minimum);
        if (is_greedy)
            continue;
        OK(timer_set(timer, model_now + (1 + next_random(&random, PERIOD_MINIMA / 3)) * minimum));
        CHECK(syscall_wait(notification, &m, &badge) == MODEL_SWITCHED);
        while (model_current() != model_tcb(thread))
            model_timer(PERIOD_MINIMA * minimum);
    }
    model_lateness = 0;
    CHECK(tcb_suspend(thread) == MODEL_SWITCHED);
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 255));
    OK(cnode_delete(ROOT_CNODE, thread));
    OK(cnode_delete(ROOT_CNODE, timer));
}

static uint64_t slice_measure(cptr thread)
{
    uint64_t start = model_now;
    CHECK(model_current() == model_tcb(thread));
    while (model_current() == model_tcb(thread))
        model_timer(PERIOD_MINIMA * kernel.min_budget);
    return model_now - start;
}

/* Timers of a thread with time slices expire in its equal's: its next slices are shorter by what that costs, as far as
 * they can be, until it is paid. */
static void test_slices_pay_for_timers(void)
{
    cptr threads[2], contexts[2];
    word minimum = kernel.min_budget;
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 50));
    for (unsigned i = 0; i < 2; i++) {
        threads[i] = new_thread(40, true, 0);
        contexts[i] = new_object(OBJECT_SCHED_CONTEXT, 0);
        OK(sched_control_configure(ROOT_SCHED_CONTROL, contexts[i], 10 * minimum, 10 * minimum, 0, 0));
        OK(tcb_set_sched_params(threads[i], ROOT_TCB, 255, 40, contexts[i]));
        OK(tcb_resume(threads[i]));
    }
    charge_expiries(contexts[0], 8 * 12); /* eight of them cost a minimum */
    model_lateness = LATENESS;
    CHECK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 30) == MODEL_SWITCHED);
    static const unsigned slices[] = {10, 1, 7, 10};
    for (unsigned i = 0; i < sizeof(slices) / sizeof(slices[0]); i++) {
        EQUAL(slice_measure(threads[0]), slices[i] * minimum);
        EQUAL(slice_measure(threads[1]), 10 * minimum);
    }
    model_lateness = 0;
    OK(tcb_suspend(threads[1]));
    CHECK(tcb_suspend(threads[0]) == MODEL_SWITCHED);
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 255));
    for (unsigned i = 0; i < 2; i++)
        OK(cnode_delete(ROOT_CNODE, threads[i]));
}

/* However refills are joined, none comes too early. */
static void test_pieces_joined(void)
{
    for (unsigned refills = 0; refills <= SCHED_EXTRA_REFILLS_MAX; refills += refills < 4 ? 1 : 19)
        use_in_pieces(refills);
}

/* A passive server that never answers has its client's budget, what a borrower may draw beyond it, and no more; so too
 * when the client comes to its call with little of it left. */
static void test_overdraft_bounded(void)
{
    cptr endpoint = new_object(OBJECT_ENDPOINT, 0), reply = new_object(OBJECT_REPLY, 0);
    for (unsigned refills = 0; refills <= SCHED_EXTRA_REFILLS_MAX; refills += SCHED_EXTRA_REFILLS_MAX) {
        cptr server = new_server(100, endpoint, reply), client = new_thread(90, true, 0);
        cptr context = new_object(OBJECT_SCHED_CONTEXT, 0);
        word minimum = kernel.min_budget;
        OK(sched_control_configure(ROOT_SCHED_CONTROL, context, BUDGET_MINIMA * minimum, PERIOD_MINIMA * minimum,
                                   refills, 0));
        OK(tcb_set_sched_params(client, ROOT_TCB, 255, 90, context));
        model_lateness = LATENESS;
        run_thread(client);
        time_pass((BUDGET_MINIMA - 3) * minimum);
        call_endpoint(endpoint);
        CHECK(model_current() == model_tcb(server));
        uint64_t used_from = model_now;
        for (unsigned left = 100; left > 0 && model_current() == model_tcb(server); left--)
            model_timer(minimum); /* without a limit the timer comes again and again, or never */
        EQUAL(model_now - used_from, (3 + OVERDRAFT_MINIMA) * minimum);
        time_pass(20 * PERIOD_MINIMA * minimum);
        model_lateness = 0;
        OK(cnode_delete(ROOT_CNODE, client));
        to_root();
        OK(cnode_delete(ROOT_CNODE, server));
    }
    OK(cnode_delete(ROOT_CNODE, endpoint));
    OK(cnode_delete(ROOT_CNODE, reply));
}

const struct attack attacks_on_budgets[] = {
    {"timers_unpaid", test_timers_unpaid},
    {"timers_bound_anew", test_timers_bound_anew},
    {"timers_beyond_budget", test_timers_beyond_budget},
    {"timers_of_idle_context", test_timers_of_idle_context},
    {"timers_give_way", test_timers_give_way},
    {"debt_wraps", test_debt_wraps},
    {"prepaid_end", test_prepaid_end},
    {"pieces_joined", test_pieces_joined},
    {"slices_pay_for_timers", test_slices_pay_for_timers},
    {"overdraft_bounded", test_overdraft_bounded},
    {NULL, NULL},
};
