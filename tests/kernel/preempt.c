/* Long operations: interrupts get through, they complete all the same, and whoever is in the middle may die. */
#include "test.h"

#define US 1000ul

static cptr ntfn, timer;
static volatile word latest_ns, wakes; /* worst lateness of the waker */

/* Wakes every so often and notes how late. */
static void waker(word every_ns)
{
    latest_ns = wakes = 0;
    for (;;) {
        word deadline = ticks_now() + ns_to_ticks(every_ns);
        (void)timer_set(timer, deadline);
        (void)notification_wait(ntfn);
        word late = ticks_to_ns(ticks_now() - deadline);
        if (late > latest_ns)
            latest_ns = late;
        wakes = wakes + 1;
    }
}

static void waker_start(void)
{
    ntfn = object_new(OBJECT_NOTIFICATION, 0);
    timer = object_new(OBJECT_TIMER, 0);
    OK(timer_bind(timer, ntfn, ROOT_SCHED_CONTEXT));
    thread_start(thread_new(waker, 20 * US, PRIORITY_HIGH, 0));
}

/* Guest time is instructions under -icount; elsewhere the host may have been away. */
static void check_latency(void)
{
    NOTE(latest_ns);
    NOTE(wakes);
    CHECK(wakes > 3);
    CHECK(latest_ns < 60 * US);
}

CASE_TIMED(preempt_revoke, "Revoking 8000 copies lets a timer through in time, again and again")
{
    cptr endpoint = object_new(OBJECT_ENDPOINT, 0), cnode = object_new(OBJECT_CNODE, 13);
    for (word i = 1; i < 8192; i++)
        OK(cnode_copy(cnode, i, ROOT_CNODE, endpoint, RIGHT_ALL));
    waker_start();
    OK(cnode_revoke(ROOT_CNODE, endpoint));
    check_latency();
    EQUAL(cnode_move(ROOT_CNODE, slot_new(), cnode, 8191), ERROR_FAILED_LOOKUP);
    OK(cnode_copy(cnode, 1, ROOT_CNODE, endpoint, RIGHT_ALL));
}

CASE_TIMED(preempt_cnode,
           "Deleting a CNode of 8192 slots that holds everything lets a timer through; all of it is gone after")
{
    cptr untyped = object_new(OBJECT_UNTYPED, 21), cnode = slot_new(), inside = slots_new(1);
    OK(untyped_retype_all(untyped, OBJECT_CNODE, 13, ROOT_CNODE, cnode, 1));
    OK(untyped_retype_all(untyped, OBJECT_ENDPOINT, 0, cnode, 1, 4000));
    OK(untyped_retype_all(untyped, OBJECT_NOTIFICATION, 0, cnode, 4001, 4000));
    OK(untyped_retype_all(untyped, OBJECT_TCB, 0, cnode, 8001, 190));
    OK(cnode_copy(ROOT_CNODE, inside, cnode, 100, RIGHT_ALL));
    waker_start();
    OK(cnode_delete(ROOT_CNODE, cnode));
    check_latency();
    CHECK(slot_is_used(inside)); /* one that has a capability elsewhere lives on */
    OK(cnode_delete(ROOT_CNODE, inside));
    struct untyped_description d;
    OK(untyped_describe(untyped, &d));
    EQUAL(d.free_bytes, 1ul << 21);
}

#define MANY 60

/* Deletes a range with as many calls as it takes: each says how far it came, interrupted or not. */
static word delete_in_calls(cptr first, word count)
{
    word calls = 0;
    for (word from = 0, done; from < count; from += done, calls++) {
        OK(cnode_delete_range(ROOT_CNODE, first + from, count - from, &done));
        NOTE(from);
        NOTE(done);
        CHECK(done >= 1 && done <= count - from);
        for (word i = 0; i < count; i++) /* the next one may be in the middle */
            CHECK(i == from + done || slot_is_used(first + (cptr)i) == (i > from + done));
    }
    return calls;
}

CASE_TIMED(preempt_delete_range,
           "A range of slots is deleted while a timer ticks: each call says how many are empty, from the first on")
{
    cptr threads = objects_new(OBJECT_TCB, 0, MANY), mixed = slots_new(MANY);
    OK(untyped_retype_all(object_new(OBJECT_UNTYPED, 20), OBJECT_CNODE, 13, ROOT_CNODE, mixed, 1));
    OK(untyped_retype_all(object_new(OBJECT_UNTYPED, 20), OBJECT_ENDPOINT, 0, mixed, 1, 8000));
    for (word i = 1; i < MANY; i++)
        OK(cnode_copy(ROOT_CNODE, mixed + i, ROOT_CNODE, threads, RIGHT_ALL));
    waker_start();
    CHECK(delete_in_calls(mixed, MANY) >= 1); /* interrupted before the first is gone: the call goes on by itself */
    CHECK(delete_in_calls(threads, MANY) > 1);
    check_latency();
}

CASE_TIMED(preempt_nested,
           "A hundred CNodes, each the only holder of the next, go with the first; a timer gets through")
{
    cptr untyped = object_new(OBJECT_UNTYPED, 20), outer = slot_new(), inner = slot_new();
    OK(untyped_retype_all(untyped, OBJECT_CNODE, 6, ROOT_CNODE, outer, 1));
    for (word i = 0; i < 100; i++) {
        OK(untyped_retype_all(untyped, OBJECT_CNODE, 6, ROOT_CNODE, inner, 1));
        OK(cnode_move(inner, 1 + i % 63, ROOT_CNODE, outer));
        OK(cnode_move(ROOT_CNODE, outer, ROOT_CNODE, inner));
    }
    waker_start();
    OK(cnode_delete(ROOT_CNODE, outer));
    check_latency();
    struct untyped_description d;
    OK(untyped_describe(untyped, &d));
    EQUAL(d.free_bytes, 1ul << 20);
}

CASE_TIMED(preempt_clear, "Clearing 2 MiB lets a timer through")
{
    cptr untyped = object_new(OBJECT_UNTYPED, 21), frame = slot_new();
    OK(untyped_retype_all(untyped, OBJECT_FRAME, 21, ROOT_CNODE, frame, 1));
    OK(cnode_delete(ROOT_CNODE, frame));
    waker_start();
    for (unsigned i = 0; i < 4; i++) {
        OK(untyped_retype_all(untyped, OBJECT_FRAME, 21, ROOT_CNODE, frame, 1));
        OK(cnode_delete(ROOT_CNODE, frame));
    }
    spin_ns(100 * US);
    check_latency();
}

CASE_TIMED(preempt_unmap, "Unmapping 4 MiB of small pages lets a timer through, and takes out all of them")
{
    cptr frame = object_new(OBJECT_FRAME, 22);
    word base = HARNESS_MAP_BASE + 0x1001000, done = 0, level = 0;
    while (done < 1ul << 22) {
        word step;
        enum error error =
            frame_map(frame, ROOT_VSPACE, base + done, RIGHT_READ, 0, done, (1ul << 22) - done, &step, &level);
        if (error == ERROR_FAILED_LOOKUP)
            OK(page_table_map(object_new(OBJECT_PAGE_TABLE, 0), ROOT_VSPACE, base + done, level, 0));
        else
            OK(error);
        done += error == ERROR_NONE ? step : 0;
    }
    waker_start();
    OK(frame_unmap(frame, &done));
    spin_ns(100 * US);
    check_latency();
    cptr small = object_new(OBJECT_FRAME, 12);
    for (word offset = 0; offset < 1ul << 22; offset += 1ul << 16) {
        NOTE(offset);
        OK(frame_map(small, ROOT_VSPACE, base + offset, RIGHT_READ, 0, 0, 0, NULL, NULL));
        OK(frame_unmap(small, &done));
    }
}

static volatile word progress;

static void revokes(word slot)
{
    progress = 1;
    (void)cnode_revoke(ROOT_CNODE, slot);
    progress = 2;
}

CASE(preempt_killed_midway,
     "A thread dies in the middle of a long revoke: another one completes it, and nothing is lost")
{
    cptr untyped = object_new(OBJECT_UNTYPED, 20), cnode = object_new(OBJECT_CNODE, 13);
    OK(untyped_retype_all(untyped, OBJECT_ENDPOINT, 0, cnode, 1, 8000));
    struct thread *t = thread_new(revokes, untyped, PRIORITY_LOW, 0);
    progress = 0;
    thread_start(t);
    sleep_ns(100 * US);
    EQUAL(progress, 1);
    OK(cnode_delete(ROOT_CNODE, t->tcb));
    OK(cnode_revoke(ROOT_CNODE, untyped));
    struct untyped_description d;
    OK(untyped_describe(untyped, &d));
    EQUAL(d.free_bytes, 1ul << 20);
    OK(untyped_retype_all(untyped, OBJECT_FRAME, 20, ROOT_CNODE, slot_new(), 1));
}

static void deletes(word slot)
{
    progress = 1;
    (void)cnode_delete(ROOT_CNODE, slot);
    progress = 2;
}

CASE(preempt_finished_by_idle,
     "A long deletion whose thread is suspended in the middle is finished by the idle processor")
{
    cptr untyped = object_new(OBJECT_UNTYPED, 20), cnode = slot_new();
    OK(untyped_retype_all(untyped, OBJECT_CNODE, 13, ROOT_CNODE, cnode, 1));
    OK(untyped_retype_all(untyped, OBJECT_ENDPOINT, 0, cnode, 1, 8000));
    struct thread *t = thread_new(deletes, cnode, PRIORITY_LOW, 0);
    progress = 0;
    thread_start(t);
    sleep_ns(100 * US);
    EQUAL(progress, 1);
    OK(tcb_suspend(t->tcb));
    struct untyped_description d;
    OK(untyped_describe(untyped, &d));
    CHECK(d.free_bytes != 1ul << 20);
    sleep_ns(20000 * US); /* without an interrupt in between */
    OK(untyped_describe(untyped, &d));
    EQUAL(d.free_bytes, 1ul << 20);
}

CASE(preempt_two_at_once, "Two threads revoke the same memory by turns: both come to an end")
{
    cptr untyped = object_new(OBJECT_UNTYPED, 20), cnode = object_new(OBJECT_CNODE, 13);
    OK(untyped_retype_all(untyped, OBJECT_ENDPOINT, 0, cnode, 1, 8000));
    progress = 0;
    for (unsigned i = 0; i < 2; i++) {
        struct thread *t = thread_new(revokes, untyped, PRIORITY_LOW, 0);
        OK(sched_control_configure(ROOT_SCHED_CONTROL, t->sched_context, 20 * US, 20 * US, 0, 0));
        thread_start(t);
    }
    for (unsigned i = 0; i < 100 && progress != 2; i++)
        sleep_ns(1000 * US);
    sleep_ns(5000 * US);
    EQUAL(progress, 2);
    struct untyped_description d;
    OK(untyped_describe(untyped, &d));
    EQUAL(d.free_bytes, 1ul << 20);
}

CASE(preempt_copied_meanwhile, "Copies made while their original is being revoked do not survive it, and it ends")
{
    cptr endpoint = object_new(OBJECT_ENDPOINT, 0), cnode = object_new(OBJECT_CNODE, 13), copies = slots_new(4);
    for (word i = 1; i < 8192; i++)
        OK(cnode_copy(cnode, i, ROOT_CNODE, endpoint, RIGHT_ALL));
    progress = 0;
    thread_start(thread_new(revokes, endpoint, PRIORITY_LOW, 0));
    for (word i = 0; i < 4; i++) {
        sleep_ns(50 * US);
        OK(cnode_copy(ROOT_CNODE, copies + (cptr)i, ROOT_CNODE, endpoint, RIGHT_ALL));
    }
    EQUAL(progress, 1);
    for (unsigned i = 0; i < 100 && progress != 2; i++)
        sleep_ns(1000 * US);
    EQUAL(progress, 2);
    for (word i = 0; i < 4; i++)
        CHECK(!slot_is_used(copies + (cptr)i));
}

CASE(preempt_server_of_many,
     "A server with twelve callers, an endpoint with as many waiting, and a notification die under a ticking timer")
{
    cptr endpoint = object_new(OBJECT_ENDPOINT, 0), queue = object_new(OBJECT_ENDPOINT, 0);
    cptr signals = object_new(OBJECT_NOTIFICATION, 0);
    struct actor *a[14], *server = actor_new(PRIORITY_HIGH + 1, 0, 0);
    for (word i = 0; i < 5; i++)
        (void)actor_step(server, SYSCALL_RECV, endpoint, object_new(OBJECT_REPLY, 0), NULL);
    (void)actor_step(server, SYSCALL_WAIT, object_new(OBJECT_NOTIFICATION, 0), 0, NULL);
    actor_start(server);
    for (word i = 0; i < COUNT(a); i++)
        a[i] = actor_calls(PRIORITY_HIGH,
                           i < 5    ? SYSCALL_CALL
                           : i < 10 ? SYSCALL_SEND
                                    : SYSCALL_WAIT,
                           i < 5    ? endpoint
                           : i < 10 ? queue
                                    : signals,
                           0, i);
    waker_start();
    OK(cnode_delete(ROOT_CNODE, server->thread->tcb));
    OK(cnode_delete(ROOT_CNODE, queue));
    OK(cnode_delete(ROOT_CNODE, signals));
    for (word i = 0; i < COUNT(a); i++) {
        NOTE(i);
        EQUAL(actor_result(a[i], 0)->status, ERROR_ABORTED);
    }
}

static volatile word cancelled;

static void sends(word badged)
{
    for (;;) {
        struct message m = {0};
        if (syscall_send((cptr)badged, &m) == ERROR_ABORTED)
            cancelled = cancelled + 1;
    }
}

/* When the timer fires, this sender leaves its queue and comes again. */
static void disturbs(word tcb)
{
    for (;;) {
        (void)notification_wait(ntfn);
        (void)tcb_suspend((cptr)tcb);
        (void)tcb_resume((cptr)tcb);
        wakes = wakes + 1;
    }
}

CASE(preempt_cancel_disturbed,
     "The sender at which an interrupted cancelling of badged sends stands, the last of the queue, leaves just then")
{
    cptr endpoint = object_new(OBJECT_ENDPOINT, 0), reply = object_new(OBJECT_REPLY, 0), badged[2];
    struct thread *sender[2];
    struct message m;
    word badge;
    cancelled = wakes = 0;
    for (unsigned i = 0; i < 2; i++) { /* the one that is cancelled stands before the other */
        badged[i] = minted(endpoint, RIGHT_ALL, 1 + i);
        sender[i] = thread_new(sends, badged[i], PRIORITY_HIGH + 1 - i, 0);
        thread_start(sender[i]);
    }
    ntfn = object_new(OBJECT_NOTIFICATION, 0);
    timer = object_new(OBJECT_TIMER, 0);
    OK(timer_bind(timer, ntfn, ROOT_SCHED_CONTEXT));
    thread_start(thread_new(disturbs, sender[1]->tcb, PRIORITY_HIGH + 2, 0));
    for (word delay = 0; delay < 4000; delay += 16) { /* at every moment of the call */
        NOTE(delay);
        word before = cancelled, woken = wakes;
        OK(timer_set(timer, ticks_now() + ns_to_ticks(delay)));
        OK(cnode_cancel_badged_sends(ROOT_CNODE, badged[0]));
        spin_ns(5 * US);
        CHECK(cancelled > before);
        EQUAL(wakes, woken + 1);
    }
    for (unsigned i = 0; i < 2; i++) { /* both are there, once */
        OK(syscall_nbrecv(endpoint, reply, &m, &badge));
        EQUAL(badge, 1 + i);
        OK(tcb_suspend(sender[i]->tcb));
    }
    OK(syscall_nbrecv(endpoint, reply, &m, &badge));
    EQUAL(badge, 0);
}

CASE(timers_equal_deadlines, "Forty timers of one deadline all fire, though an interrupt handles a few at a time")
{
    enum { TIMERS = 40 };
    cptr signals = object_new(OBJECT_NOTIFICATION, 0), timers = objects_new(OBJECT_TIMER, 0, TIMERS);
    word deadline = ticks_now() + ns_to_ticks(400 * US), seen = 0;
    for (word i = 0; i < TIMERS; i++) {
        OK(timer_bind(timers + (cptr)i, minted(signals, RIGHT_SEND, 1ul << i), ROOT_SCHED_CONTEXT));
        OK(timer_set(timers + (cptr)i, deadline));
    }
    while (seen != (1ul << TIMERS) - 1)
        seen |= notification_wait(signals);
    CHECK(ticks_now() >= deadline);
    EQUAL(notification_poll(signals), 0);
}

CASE(timer_replaced, "A timer that is set again fires at the new deadline only, earlier or later")
{
    cptr signals = object_new(OBJECT_NOTIFICATION, 0), one = object_new(OBJECT_TIMER, 0);
    OK(timer_bind(one, signals, ROOT_SCHED_CONTEXT));
    word start = ticks_now();
    OK(timer_set(one, start + ns_to_ticks(100 * US)));
    OK(timer_set(one, start + ns_to_ticks(500 * US)));
    EQUAL(notification_wait(signals), 1);
    CHECK(ticks_now() >= start + ns_to_ticks(500 * US));
    OK(timer_set(one, ticks_now() + ns_to_ticks(900000 * US)));
    OK(timer_set(one, ticks_now() + ns_to_ticks(100 * US)));
    start = ticks_now();
    EQUAL(notification_wait(signals), 1);
    CHECK(ticks_now() < start + ns_to_ticks(1000 * US));
    spin_ns(200 * US);
    EQUAL(notification_poll(signals), 0);
}

CASE(timer_bind_changes,
     "A timer bound anew signals the new notification; bound to none it is disarmed and cannot be set")
{
    cptr one = object_new(OBJECT_NOTIFICATION, 0), two = object_new(OBJECT_NOTIFICATION, 0);
    cptr t = object_new(OBJECT_TIMER, 0);
    EQUAL(timer_bind(t, minted(one, RIGHT_RECV, 0), ROOT_SCHED_CONTEXT), ERROR_INVALID_CAPABILITY);
    OK(timer_bind(t, one, ROOT_SCHED_CONTEXT));
    OK(timer_set(t, ticks_now() + ns_to_ticks(100 * US)));
    OK(timer_bind(t, two, ROOT_SCHED_CONTEXT));
    spin_ns(200 * US);
    EQUAL(notification_poll(one), 0);
    EQUAL(notification_poll(two), 1);
    OK(timer_set(t, ticks_now() + ns_to_ticks(100 * US)));
    OK(timer_bind(t, 0, 0));
    spin_ns(200 * US);
    EQUAL(notification_poll(two), 0);
    EQUAL(timer_set(t, 0), ERROR_ILLEGAL_OPERATION);
}

CASE(timer_never, "A deadline at the end of time is accepted and holds up no other")
{
    cptr signals = object_new(OBJECT_NOTIFICATION, 0), one = object_new(OBJECT_TIMER, 0);
    OK(timer_bind(one, signals, ROOT_SCHED_CONTEXT));
    OK(timer_set(one, ~0ul));
    sleep_ns(100 * US);
    EQUAL(notification_poll(signals), 0);
    OK(timer_set(one, 0));
    EQUAL(notification_wait(signals), 1);
}
