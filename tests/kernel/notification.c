/* Notifications, bound notifications and timers. */
#include "test.h"

static volatile word seen[8];
static cptr ntfn;

static void waiter(word count)
{
    for (word i = 0; i < count; i++)
        seen[i] = notification_wait(ntfn);
}

CASE(signal_accumulates, "Signals are gathered by OR until somebody waits")
{
    ntfn = object_new(OBJECT_NOTIFICATION, 0);
    cptr one = slot_new(), two = slot_new();
    OK(cnode_mint(ROOT_CNODE, one, ROOT_CNODE, ntfn, RIGHT_SEND, 1));
    OK(cnode_mint(ROOT_CNODE, two, ROOT_CNODE, ntfn, RIGHT_SEND, 2));
    notification_signal(one);
    notification_signal(two);
    notification_signal(two);
    EQUAL(notification_wait(ntfn), 3);
    EQUAL(notification_poll(ntfn), 0);
}

CASE(signal_wakes_waiter, "A signal wakes a waiter of higher priority at once")
{
    ntfn = object_new(OBJECT_NOTIFICATION, 0);
    cptr badged = slot_new();
    OK(cnode_mint(ROOT_CNODE, badged, ROOT_CNODE, ntfn, RIGHT_SEND, 6));
    seen[0] = seen[1] = 0;
    thread_start(process_new(waiter, 0, PRIORITY_HIGH, 0)); /* ends at once: the space works */
    thread_start(thread_new(waiter, 2, PRIORITY_HIGH, 0));
    EQUAL(seen[0], 0);
    notification_signal(badged);
    EQUAL(seen[0], 6);
    notification_signal(badged);
    EQUAL(seen[1], 6);
}

static void bound_receiver(word endpoint)
{
    struct message m;
    word badge;
    (void)syscall_wait((cptr)endpoint, &m, &badge);
    seen[0] = badge;
}

CASE(bound_notification, "A thread that waits on an endpoint receives the signal of its bound notification")
{
    ntfn = object_new(OBJECT_NOTIFICATION, 0);
    cptr badged = slot_new(), endpoint = object_new(OBJECT_ENDPOINT, 0);
    OK(cnode_mint(ROOT_CNODE, badged, ROOT_CNODE, ntfn, RIGHT_SEND, 12));
    struct thread *t = thread_new(bound_receiver, endpoint, PRIORITY_HIGH, 0);
    OK(tcb_bind_notification(t->tcb, ntfn));
    CHECK(tcb_bind_notification(t->tcb, ntfn) != ERROR_NONE);
    seen[0] = 0;
    thread_start(t);
    notification_signal(badged);
    EQUAL(seen[0], 12);
}

CASE(bound_notification_first, "A signal that came before the receive is delivered by it")
{
    ntfn = object_new(OBJECT_NOTIFICATION, 0);
    cptr badged = slot_new(), endpoint = object_new(OBJECT_ENDPOINT, 0);
    OK(cnode_mint(ROOT_CNODE, badged, ROOT_CNODE, ntfn, RIGHT_SEND, 13));
    struct thread *t = thread_new(bound_receiver, endpoint, PRIORITY_HIGH, 0);
    OK(tcb_bind_notification(t->tcb, ntfn));
    notification_signal(badged);
    seen[0] = 0;
    thread_start(t);
    EQUAL(seen[0], 13);
    OK(tcb_unbind_notification(t->tcb));
}

static void waiter_of_deleted(word unused)
{
    (void)unused;
    struct message m;
    word badge;
    seen[0] = 1 + (word)syscall_wait(ntfn, &m, &badge);
}

CASE(notification_deleted, "Deleting a notification does not leave its waiter waiting for ever")
{
    ntfn = object_new(OBJECT_NOTIFICATION, 0);
    seen[0] = 0;
    thread_start(thread_new(waiter_of_deleted, 0, PRIORITY_HIGH, 0));
    OK(cnode_delete(ROOT_CNODE, ntfn));
    CHECK(seen[0] != 0);
}

CASE(timer_fires, "A timer signals its notification at its deadline, not before")
{
    ntfn = object_new(OBJECT_NOTIFICATION, 0);
    cptr badged = slot_new(), timer = object_new(OBJECT_TIMER, 0);
    OK(cnode_mint(ROOT_CNODE, badged, ROOT_CNODE, ntfn, RIGHT_SEND, 1));
    OK(timer_bind(timer, badged, ROOT_SCHED_CONTEXT));
    word deadline = ticks_now() + ns_to_ticks(2000000);
    OK(timer_set(timer, deadline));
    EQUAL(notification_poll(ntfn), 0);
    EQUAL(notification_wait(ntfn), 1);
    CHECK(ticks_now() >= deadline);
}

CASE(timer_past, "A deadline in the past fires at once; a cancelled one never")
{
    ntfn = object_new(OBJECT_NOTIFICATION, 0);
    cptr badged = slot_new(), timer = object_new(OBJECT_TIMER, 0);
    OK(cnode_mint(ROOT_CNODE, badged, ROOT_CNODE, ntfn, RIGHT_SEND, 1));
    OK(timer_bind(timer, badged, ROOT_SCHED_CONTEXT));
    OK(timer_set(timer, 1));
    EQUAL(notification_wait(ntfn), 1);
    OK(timer_set(timer, ticks_now() + ns_to_ticks(1000000)));
    OK(timer_cancel(timer));
    spin_ns(2000000);
    EQUAL(notification_poll(ntfn), 0);
}

/* Timer i signals bit i % 50 of notification i / 50, so each can be told from the others. */
CASE(timers_many, "Four thousand timers armed in a scattered order fire: each of them, and none too early")
{
    enum { COUNT = 4000, BITS = 50, GROUPS = COUNT / BITS };
    cptr group = objects_new(OBJECT_NOTIFICATION, 0, GROUPS);
    cptr first = objects_new(OBJECT_TIMER, 0, COUNT), badged = slots_new(BITS);
    word start = ticks_now() + ns_to_ticks(20000000), step = ns_to_ticks(20000);
    word signalled[GROUPS] = {0}, fired = 0;
    for (word i = 0; i < COUNT; i++) {
        OK(cnode_mint(ROOT_CNODE, badged + i % BITS, ROOT_CNODE, group + (cptr)(i / BITS), RIGHT_SEND,
                      1ul << i % BITS));
        OK(timer_bind(first + (cptr)i, badged + (cptr)(i % BITS), ROOT_SCHED_CONTEXT));
        OK(timer_set(first + (cptr)i, start + (i * 7 % COUNT) * step));
        OK(cnode_delete(ROOT_CNODE, badged + i % BITS));
    }
    for (word round = 0; fired < COUNT && round < 8000000; round++) {
        word g = round % GROUPS, bits = notification_poll(group + (cptr)g), now = ticks_now();
        EQUAL(signalled[g] & bits, 0);
        signalled[g] |= bits;
        for (word bit = 0; bits != 0; bit++, bits >>= 1) {
            if ((bits & 1) == 0)
                continue;
            fired++;
            CHECK(now >= start + ((g * BITS + bit) * 7 % COUNT) * step);
        }
    }
    EQUAL(fired, COUNT);
    OK(cnode_delete_all(ROOT_CNODE, first, COUNT));
}

CASE(timer_deleted_armed, "An armed timer can be deleted, and its notification too")
{
    cptr timer = object_new(OBJECT_TIMER, 0);
    ntfn = object_new(OBJECT_NOTIFICATION, 0);
    OK(timer_bind(timer, ntfn, ROOT_SCHED_CONTEXT));
    OK(timer_set(timer, ticks_now() + ns_to_ticks(500000)));
    OK(cnode_delete(ROOT_CNODE, ntfn));
    spin_ns(1000000);
    OK(cnode_delete(ROOT_CNODE, timer));
    spin_ns(1000000);
}
