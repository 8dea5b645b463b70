/* Deletions left in the middle: nobody else pays for them, whatever became of their threads, and nothing is lost. */
#include "test.h"

#define US 1000ul

#define MEMORY_BITS 19
#define RADIX       12
#define HELD        4000 /* endpoints in a CNode that dies: more than a million instructions */

/* What a deletion may cost more while others' are in the middle; counter_read counts instructions under -icount. */
#define BOUND 2000

/* A CNode full of endpoints, and a thread that is to delete it. */
struct deleter {
    cptr memory, cnode;
    struct thread *thread;
};

static void deletes(word slot)
{
    (void)cnode_delete(ROOT_CNODE, slot);
}

static bool is_free(const struct deleter *d)
{
    struct untyped_description description;
    OK(untyped_describe(d->memory, &description));
    return description.free_bytes == 1ul << MEMORY_BITS;
}

/* It begins to delete, and is interrupted. */
static struct deleter deleter_interrupted(word priority)
{
    struct deleter d = {object_new(OBJECT_UNTYPED, MEMORY_BITS), slot_new(), NULL};
    OK(untyped_retype_all(d.memory, OBJECT_CNODE, RADIX, ROOT_CNODE, d.cnode, 1));
    OK(untyped_retype_all(d.memory, OBJECT_ENDPOINT, 0, d.cnode, 1, HELD));
    d.thread = thread_new(deletes, d.cnode, priority, 0);
    thread_start(d.thread);
    sleep_ns(100 * US);
    CHECK(!slot_is_used(d.cnode) && !is_free(&d));
    return d;
}

/* All of its memory is there again. */
static void deleter_check_reclaimed(const struct deleter *d)
{
    cptr frame = slot_new();
    CHECK(is_free(d));
    OK(untyped_retype_all(d->memory, OBJECT_FRAME, MEMORY_BITS, ROOT_CNODE, frame, 1));
    OK(cnode_delete(ROOT_CNODE, frame));
}

/* --- the victim: deletions of each kind, in instructions --- */

enum { DELETE_ENDPOINT, DELETE_NOTHING, DELETE_CNODE, DELETE_THREAD, REVOKE, CONFIGURE, DELETIONS };

static word deletion_cost(unsigned kind)
{
    cptr slot = kind == DELETE_NOTHING  ? slot_new()
                : kind == DELETE_CNODE  ? object_new(OBJECT_CNODE, 2)
                : kind == DELETE_THREAD ? object_new(OBJECT_TCB, 0)
                : kind == CONFIGURE     ? object_new(OBJECT_TCB, 0)
                                        : object_new(OBJECT_ENDPOINT, 0);
    if (kind == REVOKE)
        (void)minted(slot, RIGHT_ALL, 7);
    word start = counter_read();
    enum error error = kind == REVOKE      ? cnode_revoke(ROOT_CNODE, slot)
                       : kind == CONFIGURE ? tcb_configure(slot, ROOT_CNODE, ROOT_VSPACE, 0, 0, 0)
                                           : cnode_delete(ROOT_CNODE, slot);
    word cost = counter_read() - start;
    OK(error);
    return cost;
}

static void victim_measure(word costs[DELETIONS])
{
    for (unsigned kind = 0; kind < DELETIONS; kind++)
        costs[kind] = deletion_cost(kind);
}

/* The same costs no more than it did. */
static void victim_check(const word usual[DELETIONS])
{
    word costs[DELETIONS];
    victim_measure(costs);
    for (unsigned kind = 0; kind < DELETIONS; kind++) {
        NOTE(kind);
        NOTE(usual[kind]);
        NOTE(costs[kind]);
        CHECK(costs[kind] < usual[kind] + BOUND);
    }
}

CASE_TIMED(dying_costs_nobody_else, "Five long deletions are in the middle, ready, suspended, gone astray, killed, of "
                                    "a dead CSpace: others' cost the same")
{
    enum { DELETERS = 5 };
    struct deleter d[DELETERS];
    word usual[DELETIONS];
    victim_measure(usual);
    for (word i = 0; i < DELETERS; i++) {
        d[i] = deleter_interrupted(PRIORITY_LOW - DELETERS + i); /* before those that were interrupted already */
        victim_check(usual);
    }
    OK(tcb_suspend(d[1].thread->tcb));
    thread_aim(d[2].thread, deletes, 0);
    OK(tcb_set_space(d[4].thread->tcb, object_new(OBJECT_CNODE, 1), ROOT_VSPACE, 0));
    victim_check(usual);
    for (word i = 0; i < DELETERS; i++)
        CHECK(!is_free(&d[i]));
    OK(cnode_delete(ROOT_CNODE, d[3].thread->tcb)); /* who kills a thread does what it has begun */
    deleter_check_reclaimed(&d[3]);
    victim_check(usual);
    for (word i = 0; i < DELETERS; i++)
        if (i != 3)
            CHECK(!is_free(&d[i]));
    OK(cnode_revoke(ROOT_CNODE, d[1].memory)); /* who revokes memory does what is in the middle on it */
    deleter_check_reclaimed(&d[1]);
    victim_check(usual);
    CHECK(!is_free(&d[0]) && !is_free(&d[2]) && !is_free(&d[4]));
    sleep_ns(50000 * US); /* time for the thread that is ready, and for the idle processor */
    for (word i = 0; i < DELETERS; i++)
        deleter_check_reclaimed(&d[i]);
}

CASE(dying_goes_on, "A thread whose deletion was interrupted by another's goes on with its own, and only with that")
{
    struct deleter outer = deleter_interrupted(PRIORITY_LOW - 1), inner = deleter_interrupted(PRIORITY_LOW);
    OK(tcb_suspend(outer.thread->tcb));
    cptr signals = object_new(OBJECT_NOTIFICATION, 0), tick = object_new(OBJECT_TIMER, 0);
    OK(timer_bind(tick, signals, ROOT_SCHED_CONTEXT));
    for (word i = 0; i < 1000 && !is_free(&inner); i++) { /* never idle */
        OK(timer_set(tick, ticks_now() + ns_to_ticks(20 * US)));
        (void)notification_wait(signals);
    }
    deleter_check_reclaimed(&inner);
    CHECK(!is_free(&outer));
    OK(tcb_resume(outer.thread->tcb));
    sleep_ns(20000 * US);
    deleter_check_reclaimed(&outer);
}

CASE(dying_memory_revoked_piecewise,
     "What stands on revoked memory is taken out of an interrupted deletion; its thread goes on with the rest")
{
    cptr memory[3], cnodes = slots_new(3);
    struct untyped_description d;
    for (cptr i = 0; i < 3; i++) { /* each CNode is held by the next */
        memory[i] = object_new(OBJECT_UNTYPED, MEMORY_BITS);
        OK(untyped_retype_all(memory[i], OBJECT_CNODE, RADIX, ROOT_CNODE, cnodes + i, 1));
        OK(untyped_retype_all(memory[i], OBJECT_ENDPOINT, 0, cnodes + i, 1, HELD));
        if (i > 0)
            OK(cnode_move(cnodes + i, HELD + 1, ROOT_CNODE, cnodes + i - 1));
    }
    struct thread *t = thread_new(deletes, cnodes + 2, PRIORITY_LOW, 0);
    thread_start(t);
    sleep_ns(100 * US);
    OK(tcb_suspend(t->tcb));
    OK(cnode_revoke(ROOT_CNODE, memory[1])); /* the one in the middle */
    OK(untyped_describe(memory[1], &d));
    EQUAL(d.free_bytes, 1ul << MEMORY_BITS);
    OK(untyped_retype_all(memory[1], OBJECT_FRAME, MEMORY_BITS, ROOT_CNODE, slot_new(), 1));
    OK(tcb_resume(t->tcb));
    sleep_ns(50000 * US);
    for (cptr i = 0; i < 3; i += 2) {
        OK(untyped_describe(memory[i], &d));
        EQUAL(d.free_bytes, 1ul << MEMORY_BITS);
    }
}

/* --- threads that delete themselves --- */

static void deletes_itself(word unused)
{
    (void)unused;
    (void)cnode_delete(2, 1);
}

CASE(dying_by_itself, "A thread deletes itself and its CSpace, and is interrupted: the idle processor ends it, and who "
                      "waits below is freed")
{
    enum { OWN_CNODE = 2, WAITED_FOR = 100 };
    struct deleter d = {object_new(OBJECT_UNTYPED, MEMORY_BITS), slot_new(), NULL};
    cptr cspace = slot_new(), own = object_new(OBJECT_CNODE, 1), waited_for = slot_new();
    OK(untyped_retype_all(d.memory, OBJECT_CNODE, RADIX, ROOT_CNODE, d.cnode, 1));
    OK(untyped_retype_all(d.memory, OBJECT_ENDPOINT, 0, d.cnode, 3, HELD));
    OK(cnode_mint(ROOT_CNODE, cspace, ROOT_CNODE, d.cnode, RIGHT_ALL, (word)(32 - RADIX) << 32));
    OK(cnode_copy(ROOT_CNODE, waited_for, d.cnode, WAITED_FOR, RIGHT_ALL));
    struct actor *a = actor_calls(PRIORITY_HIGH, SYSCALL_CALL, waited_for, 0, 1);
    OK(cnode_delete(ROOT_CNODE, waited_for));

    d.thread = thread_new(deletes_itself, 0, PRIORITY_LOW, 0);
    OK(tcb_set_space(d.thread->tcb, cspace, ROOT_VSPACE, 0));
    OK(cnode_delete(ROOT_CNODE, cspace));
    OK(cnode_move(own, 1, ROOT_CNODE, d.thread->tcb)); /* all capabilities to both are below the CSpace now */
    OK(cnode_move(d.cnode, OWN_CNODE, ROOT_CNODE, own));
    cptr tcb = slot_new();
    OK(cnode_copy(ROOT_CNODE, tcb, d.cnode, OWN_CNODE, RIGHT_ALL));
    OK(cnode_delete(ROOT_CNODE, d.cnode));
    cptr last = slot_new();
    OK(cnode_copy(ROOT_CNODE, last, tcb, 1, RIGHT_ALL));
    OK(tcb_resume(last));
    OK(cnode_delete(ROOT_CNODE, last));
    OK(cnode_delete(ROOT_CNODE, tcb));
    sleep_ns(100 * US);
    CHECK(!is_free(&d));
    EQUAL(a->done, 0);
    sleep_ns(50000 * US);
    EQUAL(actor_result(a, 0)->status, ERROR_ABORTED);
    deleter_check_reclaimed(&d);
}
