/* Attacks: what a hostile program that holds nothing but memory of its own must not get out of the kernel. Each case
 * was a way in once; the invariants of check.c after every entry say most of what must hold. */
#include "model.h"

#include <arch/mmu.h>
#include <arch/upcalls.h>
#include <kernel/clock.h>
#include <sched/sched_context.h>
#include <mm/vspace.h>

static arch_entry *space_root(cptr vspace)
{
    return vspace_root(vspace_of(model_slot(vspace)->cap));
}

/* What `address` reaches, or 0; independent of vspace_walk. */
static paddr translate(cptr vspace, vaddr address)
{
    const arch_entry *table = space_root(vspace);
    for (unsigned level = ARCH_LEVELS;; level--) {
        arch_entry e = table[address >> level_bits(level) & 511];
        if (!arch_entry_is_present(e))
            return 0;
        if (!arch_entry_is_table(e, level))
            return arch_entry_address(e) + (address & ((1ul << level_bits(level)) - 1));
        table = paddr_to_kernel(arch_entry_address(e));
    }
}

/* Tables from level 3 down to `to_level`; returns the last one. */
static cptr map_tables(cptr vspace, vaddr address, unsigned from_level, unsigned to_level)
{
    cptr table = 0;
    for (unsigned level = from_level; level >= to_level; level--) {
        table = new_object(OBJECT_PAGE_TABLE, 0);
        OK(user_page_table_map(table, vspace, address, level, 0));
    }
    return table;
}

/* The end of a frame at an address lower than the frame is large: byte 0 would lie below address 0. */
static void test_map_below_zero(void)
{
    cptr vspace = new_object(OBJECT_VSPACE, 0), frame = new_object(OBJECT_FRAME, 16);
    word done, level;
    map_tables(vspace, 0, 3, 1);
    OK(user_frame_map(frame, vspace, 0x1000, RIGHT_READ | RIGHT_WRITE, 0, 0x8000, 0x8000, &done, &level));
    EQUAL(done, 0x8000);
    CHECK(translate(vspace, 0x1000) != 0);
    OK(frame_unmap(frame, &done));
    for (vaddr at = 0; at < 0x10000; at += 4096)
        EQUAL(translate(vspace, at), 0);
    OK(cnode_delete(ROOT_CNODE, frame));
    OK(cnode_delete(ROOT_CNODE, vspace));
}

/* A shared table of pages, mapped by a guest as a table of tables, would make page contents into translations. */
static void test_shared_level(void)
{
    cptr owner = new_object(OBJECT_VSPACE, 0), guest = new_object(OBJECT_VSPACE, 0);
    cptr table = new_object(OBJECT_PAGE_TABLE, 0), copy = new_slots(1);
    vaddr at = 0x40000000, elsewhere = 0x8000000000;
    map_tables(owner, at, 3, 2);
    map_tables(guest, elsewhere, 3, 2);
    OK(user_page_table_map(table, owner, at, 1, ATTRIBUTE_SHARED));
    OK(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, table, RIGHT_ALL));
    EQUAL(user_page_table_map(copy, guest, elsewhere + 0x40000000, 2, ATTRIBUTE_SHARED), ERROR_ILLEGAL_OPERATION);
    EQUAL(user_page_table_map(copy, guest, elsewhere + (1ul << 40), 3, ATTRIBUTE_SHARED), ERROR_ILLEGAL_OPERATION);
    OK(user_page_table_map(copy, guest, elsewhere, 1, ATTRIBUTE_SHARED));
    /* nor does the original become a table of another level while guests hold copies */
    OK(user_page_table_unmap(table));
    EQUAL(user_page_table_map(table, owner, 0x80000000, 2, ATTRIBUTE_SHARED), ERROR_ILLEGAL_OPERATION);
    OK(user_page_table_map(table, owner, at, 1, ATTRIBUTE_SHARED));
    OK(cnode_delete(ROOT_CNODE, owner));
    OK(cnode_delete(ROOT_CNODE, guest));
}

/* A shared table stays in force when the table above it goes: what comes in its place does not cover it up. */
static void test_shared_overlap(void)
{
    cptr owner = new_object(OBJECT_VSPACE, 0), table = new_object(OBJECT_PAGE_TABLE, 0);
    cptr wide = new_object(OBJECT_PAGE_TABLE, 0), large = new_object(OBJECT_FRAME, 21);
    vaddr at = 0x40000000;
    word done, level;
    cptr above = map_tables(owner, at, 3, 2);
    OK(user_page_table_map(table, owner, at, 1, ATTRIBUTE_SHARED));
    OK(user_page_table_unmap(above));
    /* a large page in its place goes again with its capability */
    OK(user_page_table_map(above, owner, at, 2, 0));
    if (user_frame_map(large, owner, at, RIGHT_READ | RIGHT_WRITE, 0, 0, 0, &done, &level) == ERROR_NONE) {
        OK(frame_unmap(large, &done));
    }
    EQUAL(translate(owner, at), 0);
    /* a second shared table over the first one's place, named by an address beside it */
    OK(user_page_table_unmap(above));
    EQUAL(user_page_table_map(wide, owner, at + 0x200000, 2, ATTRIBUTE_SHARED), ERROR_DELETE_FIRST);
    OK(cnode_delete(ROOT_CNODE, large));
    OK(cnode_delete(ROOT_CNODE, owner));
}

/* The end of a VSpace is interrupted: a table that others see is either still known as shared or not there. */
static void test_destroy_shared(void)
{
    cptr owner = new_object(OBJECT_VSPACE, 0), guest = new_object(OBJECT_VSPACE, 0);
    cptr tables = new_objects(OBJECT_PAGE_TABLE, 0, 2), copies = new_slots(2), frame = new_object(OBJECT_FRAME, 12);
    cptr user = new_thread(10, true, 0);
    vaddr at = 0x40000000;
    word done, level;
    map_tables(owner, at, 3, 2);
    map_tables(guest, at, 3, 2);
    for (unsigned i = 0; i < 2; i++) {
        OK(user_page_table_map(tables + i, owner, at + i * 0x200000, 1, ATTRIBUTE_SHARED));
        OK(cnode_copy(ROOT_CNODE, copies + i, ROOT_CNODE, tables + i, RIGHT_ALL));
        OK(user_page_table_map(copies + i, guest, at + i * 0x200000, 1, ATTRIBUTE_SHARED));
    }
    const word words[] = {owner, 1};
    model_invoke_once(ROOT_CNODE, CNODE_DELETE, 2, words);
    (void)user_frame_map(frame, owner, at + 0x200000, RIGHT_READ, 0, 0, 0, &done, &level);
    OK(cnode_delete(ROOT_CNODE, owner));
    OK(cnode_delete(ROOT_CNODE, frame));
    EQUAL(translate(guest, at), 0);
    EQUAL(translate(guest, at + 0x200000), 0);
    OK(cnode_delete(ROOT_CNODE, guest));
    OK(cnode_delete(ROOT_CNODE, user));
}

/* Clearing for a large object is interrupted: a small one made meanwhile from the gap before it is clean all the same.
 */
static void test_retype_gap(void)
{
    cptr untyped = new_untyped(18), slots = new_slots(4);
    word done, address, bits;
    OK(untyped_retype(untyped, OBJECT_FRAME, 18, ROOT_CNODE, slots, 1, &done));
    OK(frame_get_address(slots, &address, &bits));
    memset(paddr_to_kernel(address), 0x5a, 1ul << 18);
    OK(cnode_delete(ROOT_CNODE, slots));
    OK(untyped_retype(untyped, OBJECT_FRAME, 12, ROOT_CNODE, slots, 1, &done));
    const word words[] = {OBJECT_FRAME, 17, ROOT_CNODE, slots + 1, 1};
    model_invoke_once(untyped, UNTYPED_RETYPE, 5, words);
    OK(untyped_retype(untyped, OBJECT_CNODE, 4, ROOT_CNODE, slots + 2, 1, &done));
    OK(untyped_retype(untyped, OBJECT_FRAME, 12, ROOT_CNODE, slots + 3, 1, &done));
    const struct slot *forged = model_object(slots + 2);
    for (unsigned i = 0; i < 16; i++)
        CHECK(slot_is_empty(&forged[i]));
    OK(frame_get_address(slots + 3, &address, &bits));
    const unsigned char *memory = paddr_to_kernel(address);
    for (unsigned i = 0; i < 4096; i++)
        EQUAL(memory[i], 0);
    OK(cnode_revoke(ROOT_CNODE, untyped));
    OK(cnode_delete(ROOT_CNODE, untyped));
}

/* A context that is deleted while it is bound to a notification leaves nothing behind there. */
static void test_context_of_notification(void)
{
    cptr context = new_object(OBJECT_SCHED_CONTEXT, 0), other = new_object(OBJECT_SCHED_CONTEXT, 0);
    cptr notification = new_object(OBJECT_NOTIFICATION, 0);
    OK(sched_control_configure(ROOT_SCHED_CONTROL, context, 10000000, 10000000, 0, 0));
    OK(user_sched_context_bind(context, notification));
    OK(cnode_delete(ROOT_CNODE, context));
    CHECK(((struct notification *)model_object(notification))->sched_context == NULL);
    OK(user_sched_context_bind(other, notification));
    OK(cnode_delete(ROOT_CNODE, notification));
    OK(cnode_delete(ROOT_CNODE, other));
}

/* Any number of callers whom a receiver without reply object refuses: an interrupt gets in between two of them. */
static void test_refuse_many(void)
{
    cptr endpoint = new_object(OBJECT_ENDPOINT, 0), callers[3];
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 100));
    for (unsigned i = 0; i < 3; i++) {
        callers[i] = new_thread(200, false, 0);
        CHECK(tcb_resume(callers[i]) == MODEL_SWITCHED);
        struct message m = {message_info(1, 0, 0), {0}};
        word destination = endpoint;
        EQUAL(syscall_trap(SYSCALL_CALL, &destination, &m), MODEL_SWITCHED);
    }
    for (unsigned i = 0; i < 3; i++)
        EQUAL(model_tcb(callers[i])->state, THREAD_BLOCKED_SEND);
    for (unsigned i = 0; i < 3; i++)
        OK(tcb_set_priority(callers[i], ROOT_TCB, 1));
    struct arch_context *c = &model_core()->current->context;
    word pc = c->pc;
    c->pc += MODEL_TRAP_BYTES;
    c->destination_badge = endpoint;
    model_interrupt_waits = true;
    model_patience = 0;
    kernel_syscall(model_core(), SYSCALL_NBWAIT);
    model_interrupt_waits = false;
    EQUAL(c->pc, pc); /* it is called again */
    EQUAL(model_tcb(callers[0])->state, THREAD_RUNNING);
    EQUAL(model_tcb(callers[1])->state, THREAD_BLOCKED_SEND);
    model_check();
    for (unsigned i = 0; i < 3; i++)
        OK(cnode_delete(ROOT_CNODE, callers[i]));
    OK(cnode_delete(ROOT_CNODE, endpoint));
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 255));
}

/* --- time that is somebody else's --- */

static void run(cptr thread)
{
    CHECK(tcb_resume(thread) == MODEL_SWITCHED);
    CHECK(model_current() == model_tcb(thread));
}

static void call(cptr endpoint)
{
    struct message m = {message_info(1, 0, 1), {1}};
    CHECK(syscall_call(endpoint, &m) == MODEL_SWITCHED);
}

static void reply_receive(cptr endpoint, cptr reply)
{
    struct message m = {message_info(0, 0, 1), {1}};
    word badge;
    CHECK(syscall_reply_recv(endpoint, reply, &m, &badge) == MODEL_SWITCHED);
}

static cptr new_context(void)
{
    cptr context = new_object(OBJECT_SCHED_CONTEXT, 0);
    OK(sched_control_configure(ROOT_SCHED_CONTROL, context, 1000000, 1000000, 0, 0));
    return context;
}

/* A server without context that receives at the endpoint. The root task goes below all others. */
static cptr new_server(uint8_t priority, cptr endpoint, cptr reply)
{
    cptr server = new_thread(priority, false, 0);
    struct message m;
    word badge;
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 50));
    run(server);
    CHECK(syscall_recv(endpoint, reply, &m, &badge) == MODEL_SWITCHED);
    OK(tcb_set_sched_params(server, ROOT_TCB, 255, priority, 0));
    return server;
}

static void to_root(void)
{
    while (model_current() != model_tcb(ROOT_TCB))
        model_timer(UINT64_MAX / 4);
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 255));
}

/* A client that destroys the context that it lent does not get in exchange the one that a signal brings its server. */
static void test_signal_to_stranded(void)
{
    cptr endpoint = new_object(OBJECT_ENDPOINT, 0), reply = new_object(OBJECT_REPLY, 0);
    cptr notification = new_object(OBJECT_NOTIFICATION, 0), lent = new_context(), other = new_context();
    cptr server = new_server(100, endpoint, reply), client = new_thread(90, true, 0);
    struct message m;
    word badge;
    OK(user_sched_context_bind(other, notification));
    OK(tcb_set_sched_params(client, ROOT_TCB, 255, 90, lent));
    run(client);
    call(endpoint);
    CHECK(syscall_wait(notification, &m, &badge) == MODEL_SWITCHED);
    OK(cnode_delete(ROOT_CNODE, lent));
    CHECK(syscall_send(notification, &m) == MODEL_SWITCHED);
    CHECK(model_current() == model_tcb(server));
    reply_receive(endpoint, reply);
    CHECK(model_tcb(client)->sched_context == NULL && model_tcb(server)->sched_context == NULL);
    to_root();
    OK(cnode_delete(ROOT_CNODE, client));
    OK(cnode_delete(ROOT_CNODE, server));
    OK(cnode_delete(ROOT_CNODE, notification));
}

/* Nor does a server keep the context of a client that died when it answers another one. */
static void test_keep_dead_context(void)
{
    cptr endpoint = new_object(OBJECT_ENDPOINT, 0), first = new_object(OBJECT_REPLY, 0);
    cptr second = new_object(OBJECT_REPLY, 0), server = new_server(100, endpoint, first);
    cptr lender = new_thread(90, false, 0), client = new_thread(80, false, 0);
    struct message m;
    word badge;
    run(lender);
    call(endpoint);
    CHECK(syscall_recv(endpoint, second, &m, &badge) == MODEL_SWITCHED);
    run(client);
    call(endpoint);
    CHECK(model_current() == model_tcb(server));
    OK(cnode_delete(ROOT_CNODE, lender));
    CHECK(model_tcb(server)->sched_context != NULL); /* to the end of its work */
    reply_receive(endpoint, second);
    CHECK(model_current() == model_tcb(client));
    CHECK(model_tcb(server)->sched_context == NULL && model_tcb(server)->flags == 0);
    CHECK(tcb_suspend(client) == MODEL_SWITCHED);
    to_root();
    OK(cnode_delete(ROOT_CNODE, client));
    OK(cnode_delete(ROOT_CNODE, server));
}

/* So many senders of one badge wait; cancelling them is interrupted behind the first, which runs now. */
static void cancel_interrupted(cptr endpoint, cptr badged, cptr *senders, unsigned count)
{
    OK(cnode_mint(ROOT_CNODE, badged, ROOT_CNODE, endpoint, RIGHT_ALL, 5));
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 50));
    for (unsigned i = 0; i < count; i++) {
        senders[i] = new_thread((uint8_t)(100 - i), false, 0);
        run(senders[i]);
        call(badged);
    }
    const word words[] = {badged};
    model_invoke_once(ROOT_CNODE, CNODE_CANCEL_BADGED_SENDS, 1, words);
    CHECK(model_current() == model_tcb(senders[0]));
}

/* The rest of it, when the first sender is out of the way: none of them waits any more. */
static void cancel_completed(cptr endpoint, cptr badged, const cptr *senders, unsigned count)
{
    CHECK(tcb_suspend(senders[0]) == MODEL_SWITCHED);
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 255)); /* those who are let go do not take over */
    OK(cnode_cancel_badged_sends(ROOT_CNODE, badged));
    for (unsigned i = 0; i < count; i++) {
        CHECK(model_tcb(senders[i])->state != THREAD_BLOCKED_SEND);
        OK(cnode_delete(ROOT_CNODE, senders[i]));
    }
    to_root();
    OK(cnode_delete(ROOT_CNODE, endpoint));
}

/* A thread that changes its place in the queue while messages of a badge are cancelled hides no other one. */
static void test_move_while_cancelled(void)
{
    cptr endpoint = new_object(OBJECT_ENDPOINT, 0), badged = new_slots(1), senders[4];
    cancel_interrupted(endpoint, badged, senders, 4);
    OK(tcb_set_priority(senders[1], ROOT_TCB, 60));
    cancel_completed(endpoint, badged, senders, 4);
}

/* Nor does one that leaves, the one at which the cancelling stands, with others behind it or as the last. */
static void test_leave_while_cancelled(void)
{
    for (unsigned count = 2; count <= 4; count++) {
        cptr endpoint = new_object(OBJECT_ENDPOINT, 0), badged = new_slots(1), senders[4];
        cancel_interrupted(endpoint, badged, senders, count);
        OK(tcb_suspend(senders[1]));
        cancel_completed(endpoint, badged, senders, count);
    }
}

/* --- time slices --- */

/* Two of equal priority are ready, and the first one runs, at the beginning of its time slice. */
static void run_equals(cptr first, cptr other)
{
    run(first);
    CHECK(tcb_resume(other) == ERROR_NONE);
    CHECK(model_current() == model_tcb(first));
    while (model_deadline < model_now + 1000000 || model_current() != model_tcb(first))
        model_timer(1000000);
}

/* Who lets a more urgent thread in just before the end of its time slice goes behind its equals all the same. */
static void test_slice_ends_in_signal(void)
{
    cptr notification = new_object(OBJECT_NOTIFICATION, 0), other = new_thread(90, false, 0);
    cptr waiter = new_thread(100, false, 0), hog = new_thread(90, false, 0);
    struct message m;
    word badge;
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 50));
    run(waiter);
    CHECK(syscall_wait(notification, &m, &badge) == MODEL_SWITCHED);
    run_equals(hog, other);
    model_now = model_deadline - 1;
    CHECK(syscall_send(notification, &m) == MODEL_SWITCHED);
    CHECK(model_current() == model_tcb(waiter));
    CHECK(syscall_wait(notification, &m, &badge) == MODEL_SWITCHED);
    CHECK(model_current() == model_tcb(other));
    OK(cnode_delete(ROOT_CNODE, hog));
    OK(cnode_delete(ROOT_CNODE, waiter));
    CHECK(tcb_suspend(other) == MODEL_SWITCHED);
    to_root();
    OK(cnode_delete(ROOT_CNODE, other));
    OK(cnode_delete(ROOT_CNODE, notification));
}

/* Nor is it spared when it is in a call of a more urgent server then, time after time. */
static void test_slice_ends_in_call(void)
{
    cptr endpoint = new_object(OBJECT_ENDPOINT, 0), reply = new_object(OBJECT_REPLY, 0);
    cptr server = new_server(100, endpoint, reply);
    cptr other = new_thread(90, false, 0), hog = new_thread(90, false, 0);
    run_equals(hog, other);
    for (unsigned i = 0; i < 3 && model_current() == model_tcb(hog); i++) {
        call(endpoint);
        CHECK(model_current() == model_tcb(server));
        uint64_t end = model_now + 1500000;
        while (model_now < end)
            model_timer(end - model_now);
        reply_receive(endpoint, reply);
    }
    CHECK(model_current() == model_tcb(other));
    OK(cnode_delete(ROOT_CNODE, hog));
    CHECK(tcb_suspend(other) == MODEL_SWITCHED);
    to_root();
    OK(cnode_delete(ROOT_CNODE, other));
    OK(cnode_delete(ROOT_CNODE, server));
}

/* A context that was lent twice comes back when the thread between dies, even if its last borrower waits for ever. */
static void test_death_between(void)
{
    cptr outer = new_object(OBJECT_ENDPOINT, 0), inner = new_object(OBJECT_ENDPOINT, 0);
    cptr replies = new_objects(OBJECT_REPLY, 0, 3), client = new_thread(90, false, 0);
    cptr between = new_server(100, outer, replies), last = new_server(110, inner, replies + 1);
    struct message m;
    word badge;
    run(client);
    call(outer);
    call(inner);
    CHECK(model_current() == model_tcb(last));
    CHECK(syscall_recv(inner, replies + 2, &m, &badge) == MODEL_SWITCHED);
    CHECK(cnode_delete(ROOT_CNODE, between) == MODEL_SWITCHED);
    CHECK(model_current() == model_tcb(client));
    CHECK(model_tcb(last)->sched_context == NULL);
    CHECK(tcb_suspend(client) == MODEL_SWITCHED);
    to_root();
    OK(cnode_delete(ROOT_CNODE, client));
    OK(cnode_delete(ROOT_CNODE, last));
}

/* --- deletions that others pay for --- */

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
    run(thread);
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
    run(waiter);
    call(endpoint);
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
        run(clients[i]);
        call(endpoint);
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
    run(thread);
    CHECK(cnode_revoke(ROOT_CNODE, memory) == MODEL_SWITCHED);
    CHECK(model_current() == model_tcb(ROOT_TCB));
    EQUAL(model_dying(), 0);
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 255));
    check_reclaimed(memory);
    OK(cnode_delete(ROOT_CNODE, context));
}

/* --- timers that others pay for --- */

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
    run(thread);
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
    run(thread);
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
    run(thread);
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
    run(thread);
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
    run(thread);
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
        run(client);
        time_pass((BUDGET_MINIMA - 3) * minimum);
        call(endpoint);
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

struct attack {
    const char *name;
    void (*run)(void);
};

static const struct attack attacks[] = {
    {"map_below_zero", test_map_below_zero},
    {"shared_level", test_shared_level},
    {"shared_overlap", test_shared_overlap},
    {"destroy_shared", test_destroy_shared},
    {"refuse_many", test_refuse_many},
    {"retype_gap", test_retype_gap},
    {"context_of_notification", test_context_of_notification},
    {"signal_to_stranded", test_signal_to_stranded},
    {"keep_dead_context", test_keep_dead_context},
    {"move_while_cancelled", test_move_while_cancelled},
    {"leave_while_cancelled", test_leave_while_cancelled},
    {"death_between", test_death_between},
    {"slice_ends_in_signal", test_slice_ends_in_signal},
    {"slice_ends_in_call", test_slice_ends_in_call},
    {"deletions_left_behind", test_deletions_left_behind},
    {"idle_ends_thread", test_idle_ends_thread},
    {"idle_gives_way", test_idle_gives_way},
    {"server_deletes_itself", test_server_deletes_itself},
    {"revoker_dies_first", test_revoker_dies_first},
    {"timers_unpaid", test_timers_unpaid},
    {"timers_bound_anew", test_timers_bound_anew},
    {"timers_beyond_budget", test_timers_beyond_budget},
    {"timers_of_idle_context", test_timers_of_idle_context},
    {"timers_give_way", test_timers_give_way},
    {"debt_wraps", test_debt_wraps},
    {"prepaid_end", test_prepaid_end},
    {"pieces_joined", test_pieces_joined},
    {"slices_pay_for_timers", test_slices_pay_for_timers},
    {"delete_range_interrupted", test_delete_range_interrupted},
    {"overdraft_bounded", test_overdraft_bounded},
};

/* With a name as second argument, that one only. */
int main(int argc, char **argv)
{
    CHECK(argc == 2 || argc == 3);
    model_boot(argv[1]);
    for (unsigned i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
        if (argc == 2 || strcmp(argv[2], attacks[i].name) == 0)
            attacks[i].run();
    printf("attack: all passed\n");
    return 0;
}
