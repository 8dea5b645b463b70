/* Attacks by deletions that others pay for. */
#include "attack.h"

#include <kernel/clock.h>

#define LEFT_BITS      8
#define LEFT_MEMORY    15
#define LEFT_DELETIONS 3
#define IRQ_OF_NOBODY  3

/* A CNode with things in it, slot 1 of which is empty. */
static cptr full_cnode(cptr untyped)
{
    cptr cnode = new_slots(1);
    OK(untyped_retype_all(untyped, OBJECT_CNODE, LEFT_BITS, ROOT_CNODE, cnode, 1));
    OK(untyped_retype_all(untyped, OBJECT_ENDPOINT, 0, cnode, 2, (1ul << LEFT_BITS) - 2));
    return cnode;
}

/* The thread is interrupted in the middle of deleting the CNode (which has the last capability to the thread itself in
 * it, if that is wanted), and makes another call then. */
static struct tcb *leave_behind(cptr thread, cptr cnode, bool with_itself)
{
    struct tcb *tcb = model_tcb(thread);
    const word words[] = {cnode, 1};
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, tcb->priority - 1u));
    run_thread(thread);
    if (with_itself)
        OK(cnode_move(cnode, 1, ROOT_CNODE, thread));
    for (unsigned i = 0; i < 3; i++)
        model_invoke_once(ROOT_CNODE, CNODE_DELETE, 2, words);
    CHECK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 255) == MODEL_SWITCHED);
    CHECK(model_current() == model_tcb(ROOT_TCB) && model_left_to_delete(tcb) > 1ul << (LEFT_BITS - 1));
    return tcb;
}

static void check_reclaimed(cptr untyped)
{
    struct untyped_description d;
    OK(untyped_describe(untyped, &d));
    EQUAL(d.free_bytes, 1ul << LEFT_MEMORY);
    OK(cnode_delete(ROOT_CNODE, untyped));
}

/* The root task waits, and nobody else can run; at its next turn there is nothing more to delete. */
static void let_idle_finish(void)
{
    cptr timer = new_object(OBJECT_TIMER, 0), notification = new_object(OBJECT_NOTIFICATION, 0);
    struct message m;
    word badge;
    OK(timer_bind(timer, notification, ROOT_SCHED_CONTEXT));
    OK(timer_set(timer, model_now + 1000000));
    CHECK(syscall_wait(notification, &m, &badge) == MODEL_SWITCHED);
    CHECK(model_current() == model_core()->idle && model_dying() > 0);
    model_interrupt_waits = true; /* a device's interrupt gets in between */
    model_patience = 2;
    model_timer(0);
    CHECK(model_patience == 0 && model_dying() > 0);
    model_interrupt_waits = false;
    model_interrupt(IRQ_OF_NOBODY);
    EQUAL(model_dying(), 0);
    to_root();
    OK(cnode_delete(ROOT_CNODE, timer));
}

/* Deletions of the root task, each interrupted wherever it can be, do not touch what others have left in the middle. */
static void delete_beside(struct tcb *const *others)
{
    cptr small = new_object(OBJECT_NOTIFICATION, 0), empty = new_slots(1), thread = new_object(OBJECT_TCB, 0);
    cptr revoked = new_object(OBJECT_ENDPOINT, 0), cnode = new_object(OBJECT_CNODE, 4);
    const word words[] = {cnode, 1};
    word left[LEFT_DELETIONS];
    for (unsigned i = 0; i < LEFT_DELETIONS; i++)
        left[i] = model_left_to_delete(others[i]);
    OK(cnode_mint(ROOT_CNODE, new_slots(1), ROOT_CNODE, revoked, RIGHT_ALL, 5));
    model_interrupt_waits = true;
    model_patience = 0;
    OK(cnode_delete(ROOT_CNODE, empty));
    OK(cnode_delete(ROOT_CNODE, small));
    OK(tcb_configure(thread, ROOT_CNODE, ROOT_VSPACE, 0, 0, 0));
    OK(cnode_delete(ROOT_CNODE, thread));
    OK(cnode_revoke(ROOT_CNODE, revoked));
    OK(cnode_delete(ROOT_CNODE, revoked));
    model_interrupt_waits = false;
    EQUAL(model_left_to_delete(model_current()), 0);
    model_invoke_once(ROOT_CNODE, CNODE_DELETE, 2, words);
    CHECK(model_left_to_delete(model_current()) > 0);
    OK(cnode_delete(ROOT_CNODE, cnode));
    EQUAL(model_left_to_delete(model_current()), 0);
    for (unsigned i = 0; i < LEFT_DELETIONS; i++)
        EQUAL(model_left_to_delete(others[i]), left[i]);
}

/* What threads have left in the middle of a deletion is done by who kills the thread or revokes the memory, or else by
 * the idle thread. */
static void test_deletions_left_behind(void)
{
    cptr memory[LEFT_DELETIONS], threads[LEFT_DELETIONS];
    struct tcb *tcbs[LEFT_DELETIONS];
    for (unsigned i = 0; i < LEFT_DELETIONS; i++) {
        memory[i] = new_untyped(LEFT_MEMORY);
        threads[i] = new_thread((uint8_t)(90 + 2 * i), false, 0);
        tcbs[i] = leave_behind(threads[i], full_cnode(memory[i]), false);
    }
    delete_beside(tcbs);
    model_interrupt_waits = true;
    model_patience = 0;
    OK(cnode_revoke(ROOT_CNODE, memory[0]));
    EQUAL(model_left_to_delete(tcbs[0]), 0);
    OK(cnode_delete(ROOT_CNODE, threads[1]));
    model_interrupt_waits = false;
    EQUAL(model_dying(), 1);
    OK(tcb_suspend(threads[0]));
    OK(tcb_suspend(threads[2]));
    let_idle_finish();
    for (unsigned i = 0; i < LEFT_DELETIONS; i++)
        check_reclaimed(memory[i]);
    OK(cnode_delete(ROOT_CNODE, threads[0]));
    OK(cnode_delete(ROOT_CNODE, threads[2]));
}

/* The idle thread ends a thread whose deletion it goes on with. */
static void test_idle_ends_thread(void)
{
    cptr memory = new_untyped(LEFT_MEMORY), thread = new_thread(90, false, 0), other = new_slots(1);
    cptr cnode = full_cnode(memory);
    OK(cnode_copy(ROOT_CNODE, other, ROOT_CNODE, thread, RIGHT_ALL));
    leave_behind(thread, cnode, true);
    OK(tcb_suspend(other));
    OK(cnode_delete(ROOT_CNODE, other));
    let_idle_finish();
    check_reclaimed(memory);
}

/* Nor does it keep a thread waiting that it has let go. */
static void test_idle_gives_way(void)
{
    cptr memory = new_untyped(LEFT_MEMORY), thread = new_thread(90, false, 0), waiter = new_thread(100, false, 0);
    cptr cnode = full_cnode(memory), endpoint = new_slots(1), timer = new_object(OBJECT_TIMER, 0);
    cptr notification = new_object(OBJECT_NOTIFICATION, 0);
    struct message m;
    word badge;
    OK(cnode_copy(ROOT_CNODE, endpoint, cnode, 1ul << (LEFT_BITS - 1), RIGHT_ALL));
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 50));
    run_thread(waiter);
    call_endpoint(endpoint);
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 255));
    OK(cnode_delete(ROOT_CNODE, endpoint));
    leave_behind(thread, cnode, false);
    OK(tcb_suspend(thread));
    OK(timer_bind(timer, notification, ROOT_SCHED_CONTEXT));
    OK(timer_set(timer, model_now + 1000000));
    CHECK(syscall_wait(notification, &m, &badge) == MODEL_SWITCHED);
    model_timer(0);
    CHECK(model_current() == model_tcb(waiter) && model_left_to_delete(model_tcb(thread)) > 1);
    EQUAL(model_current()->context.number_status, ERROR_ABORTED);
    CHECK(tcb_suspend(waiter) == MODEL_SWITCHED);
    model_timer(0);
    EQUAL(model_dying(), 0);
    to_root();
    check_reclaimed(memory);
    OK(cnode_delete(ROOT_CNODE, timer));
    OK(cnode_delete(ROOT_CNODE, thread));
    OK(cnode_delete(ROOT_CNODE, waiter));
}

/* A server that deletes itself leaves no caller waiting, whatever comes in between. */
static void test_server_deletes_itself(void)
{
    enum { CLIENTS = 3 };
    cptr endpoint = new_object(OBJECT_ENDPOINT, 0), replies = new_objects(OBJECT_REPLY, 0, CLIENTS + 1);
    cptr server = new_server(100, endpoint, replies), clients[CLIENTS];
    struct message m;
    word badge;
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = new_thread((uint8_t)(90 - i), false, 0);
        run_thread(clients[i]);
        call_endpoint(endpoint);
        if (i + 1 < CLIENTS)
            CHECK(syscall_recv(endpoint, replies + 1 + i, &m, &badge) == MODEL_SWITCHED);
    }
    CHECK(model_current() == model_tcb(server));
    model_interrupt_waits = true;
    model_patience = 0;
    CHECK(cnode_delete(ROOT_CNODE, server) == MODEL_SWITCHED);
    model_interrupt_waits = false;
    for (unsigned i = 0; i < CLIENTS; i++)
        EQUAL(model_tcb(clients[i])->context.number_status, ERROR_ABORTED);
    EQUAL(model_current(), model_tcb(clients[0]));
    CHECK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 255) == MODEL_SWITCHED);
    for (unsigned i = 0; i < CLIENTS; i++)
        OK(cnode_delete(ROOT_CNODE, clients[i]));
    if (model_dying() > 0)
        let_idle_finish();
}

/* A thread that revokes the memory that it lies in itself dies first, and the rest of it comes to an end all the same,
 * without an interrupt. */
static void test_revoker_dies_first(void)
{
    cptr memory = new_untyped(LEFT_MEMORY), thread = new_slots(1), context = new_context();
    (void)full_cnode(memory);
    OK(untyped_retype_all(memory, OBJECT_TCB, 0, ROOT_CNODE, thread, 1));
    OK(tcb_configure(thread, ROOT_CNODE, ROOT_VSPACE, 0, 0, 0));
    OK(tcb_set_sched_params(thread, ROOT_TCB, 255, 90, context));
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 50));
    run_thread(thread);
    CHECK(cnode_revoke(ROOT_CNODE, memory) == MODEL_SWITCHED);
    CHECK(model_current() == model_tcb(ROOT_TCB));
    EQUAL(model_dying(), 0);
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 255));
    check_reclaimed(memory);
    OK(cnode_delete(ROOT_CNODE, context));
}

/* A range whose deletion is interrupted ends with what is done. */
static void test_delete_range_interrupted(void)
{
    cptr slots = new_objects(OBJECT_ENDPOINT, 0, 5);
    word done;
    for (unsigned patience = 0; patience < 3; patience++) {
        model_interrupt_waits = true;
        model_patience = patience;
        OK(cnode_delete_range(ROOT_CNODE, slots, 5, &done));
        model_interrupt_waits = false;
        EQUAL(done, patience + 1); /* what was empty before counts */
        for (word i = 0; i < 5; i++)
            EQUAL(slot_is_empty(model_slot(slots + (cptr)i)), i < done);
    }
    OK(cnode_delete_range(ROOT_CNODE, slots, 5, &done));
    EQUAL(done, 5);
}

const struct attack attacks_by_deletion[] = {
    {"deletions_left_behind", test_deletions_left_behind},
    {"idle_ends_thread", test_idle_ends_thread},
    {"idle_gives_way", test_idle_gives_way},
    {"server_deletes_itself", test_server_deletes_itself},
    {"revoker_dies_first", test_revoker_dies_first},
    {"delete_range_interrupted", test_delete_range_interrupted},
    {NULL, NULL},
};
