/* Attacks on scheduling contexts that are lent, and on those who wait: time that is somebody else's. */
#include "attack.h"

#include <arch/upcalls.h>

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
    run_thread(client);
    call_endpoint(endpoint);
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
    run_thread(lender);
    call_endpoint(endpoint);
    CHECK(syscall_recv(endpoint, second, &m, &badge) == MODEL_SWITCHED);
    run_thread(client);
    call_endpoint(endpoint);
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
        run_thread(senders[i]);
        call_endpoint(badged);
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

/* Two of equal priority are ready, and the first one runs, at the beginning of its time slice. */
static void run_equals(cptr first, cptr other)
{
    run_thread(first);
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
    run_thread(waiter);
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
        call_endpoint(endpoint);
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
    run_thread(client);
    call_endpoint(outer);
    call_endpoint(inner);
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

const struct attack attacks_on_lent_time[] = {
    {"refuse_many", test_refuse_many},
    {"context_of_notification", test_context_of_notification},
    {"signal_to_stranded", test_signal_to_stranded},
    {"keep_dead_context", test_keep_dead_context},
    {"move_while_cancelled", test_move_while_cancelled},
    {"leave_while_cancelled", test_leave_while_cancelled},
    {"death_between", test_death_between},
    {"slice_ends_in_signal", test_slice_ends_in_signal},
    {"slice_ends_in_call", test_slice_ends_in_call},
    {NULL, NULL},
};
