/* System calls by table: each call on each kind of object, with each set of rights, and what comes of it. */
#include "test.h"

enum outcome { DONE, BLOCKS, FAULTS };

static struct actor *prober;
static cptr faults, fault_reply;
static struct message fault;

static void setup(void)
{
    faults = object_new(OBJECT_ENDPOINT, 0);
    fault_reply = object_new(OBJECT_REPLY, 0);
    prober = actor_new(PRIORITY_HIGH, 0, faults);
}

/* What comes of one call by the prober; after FAULTS, the message is in `fault`. */
static enum outcome outcome_of(enum syscall number, cptr to, cptr with)
{
    word badge;
    actor_reset(prober);
    (void)actor_step(prober, number, to, with, NULL);
    actor_start(prober);
    if (prober->done == 1) {
        EQUAL(prober->steps[0].status, ERROR_NONE);
        return DONE;
    }
    OK(syscall_nbrecv(faults, fault_reply, &fault, &badge));
    if (fault.info == 0)
        return BLOCKS;
    EQUAL(message_info_label(fault.info), FAULT_CAPABILITY);
    OK(tcb_suspend(prober->thread->tcb));
    return FAULTS;
}

static void expect(enum syscall number, cptr to, cptr with, enum outcome outcome)
{
    NOTE(number);
    NOTE(to);
    EQUAL(outcome_of(number, to, with), outcome);
}

static bool receives(enum syscall number)
{
    return number != SYSCALL_CALL && number != SYSCALL_SEND && number != SYSCALL_NBSEND;
}

static void expect_fault(enum syscall number, cptr to, cptr with, cptr about, enum error error)
{
    expect(number, to, with, FAULTS);
    EQUAL(message_info_length(fault.info), 5);
    EQUAL(fault.words[2], about);
    EQUAL(fault.words[3], receives(number));
    EQUAL(fault.words[4], error);
}

#define CALLS (SYSCALL_NBWAIT + 1)

CASE(calls_on_endpoint,
     "Each system call on an endpoint where nobody waits: the blocking ones block, the others return")
{
    static const enum outcome outcomes[CALLS] = {
        [SYSCALL_CALL] = BLOCKS, [SYSCALL_REPLY_RECV] = BLOCKS, [SYSCALL_SEND] = BLOCKS, [SYSCALL_NBSEND] = DONE,
        [SYSCALL_RECV] = BLOCKS, [SYSCALL_NBRECV] = DONE,       [SYSCALL_WAIT] = BLOCKS, [SYSCALL_NBWAIT] = DONE};
    setup();
    cptr endpoint = object_new(OBJECT_ENDPOINT, 0), reply = object_new(OBJECT_REPLY, 0);
    for (enum syscall number = 0; number < CALLS; number++)
        expect(number, endpoint, reply, outcomes[number]);
}

CASE(calls_on_notification, "Each system call on a notification: sending signals, receiving waits or polls")
{
    setup();
    cptr ntfn = object_new(OBJECT_NOTIFICATION, 0), reply = object_new(OBJECT_REPLY, 0);
    for (enum syscall number = 0; number < CALLS; number++) {
        bool is_blocking = number == SYSCALL_RECV || number == SYSCALL_WAIT || number == SYSCALL_REPLY_RECV;
        expect(number, ntfn, reply, is_blocking ? BLOCKS : DONE);
        actor_reset(prober);
        EQUAL(notification_poll(ntfn), !receives(number));
        notification_signal(ntfn);
        expect(number, ntfn, reply, DONE);
        EQUAL(prober->steps[0].destination, receives(number));
        EQUAL(notification_poll(ntfn), !receives(number));
    }
}

CASE(calls_on_reply, "Each system call on a reply object without caller: sending does nothing, receiving faults")
{
    setup();
    cptr reply = object_new(OBJECT_REPLY, 0);
    for (enum syscall number = 0; number < CALLS; number++) {
        if (receives(number))
            expect_fault(number, reply, reply, reply, ERROR_INVALID_CAPABILITY);
        else
            expect(number, reply, 0, DONE);
    }
}

CASE(calls_on_others, "Each system call on every other object: sending invokes, receiving faults")
{
    cptr objects[OBJECT_TYPE_COUNT];
    setup();
    objects_of_all_types(objects);
    for (enum object_type type = OBJECT_UNTYPED; type < OBJECT_TYPE_COUNT; type++) {
        if (type == OBJECT_ENDPOINT || type == OBJECT_NOTIFICATION || type == OBJECT_REPLY || objects[type] == 0)
            continue;
        for (enum syscall number = 0; number < CALLS; number++) {
            if (receives(number)) {
                expect_fault(number, objects[type], objects[OBJECT_REPLY], objects[type], ERROR_INVALID_CAPABILITY);
                continue;
            }
            expect(number, objects[type], 0, DONE);
            EQUAL(prober->steps[0].m.info, number == SYSCALL_CALL ? message_info(ERROR_ILLEGAL_OPERATION, 0, 0) : 0);
        }
    }
}

CASE(calls_on_nothing, "Each system call on cptr 0, an empty slot and beyond the CNode: a fault; NBSend does nothing")
{
    setup();
    const cptr nothing[] = {0, slot_new(), 1 << ROOT_CNODE_BITS, 0x80000001, 0xffffffff};
    for (unsigned i = 0; i < COUNT(nothing); i++)
        for (enum syscall number = 0; number < CALLS; number++) {
            if (number == SYSCALL_NBSEND)
                expect(number, nothing[i], 0, DONE);
            else
                expect_fault(number, nothing[i], 0, nothing[i], ERROR_FAILED_LOOKUP);
        }
}

CASE(rights_of_endpoint, "All 32 sets of rights of an endpoint: Call, Send and the receives each need exactly theirs")
{
    static const word needed[CALLS] = {
        [SYSCALL_CALL] = RIGHT_CALL,   [SYSCALL_REPLY_RECV] = RIGHT_RECV, [SYSCALL_SEND] = RIGHT_SEND,
        [SYSCALL_NBSEND] = RIGHT_SEND, [SYSCALL_RECV] = RIGHT_RECV,       [SYSCALL_NBRECV] = RIGHT_RECV,
        [SYSCALL_WAIT] = RIGHT_RECV,   [SYSCALL_NBWAIT] = RIGHT_RECV};
    static const bool blocks[CALLS] = {[SYSCALL_CALL] = true,
                                       [SYSCALL_REPLY_RECV] = true,
                                       [SYSCALL_SEND] = true,
                                       [SYSCALL_RECV] = true,
                                       [SYSCALL_WAIT] = true};
    setup();
    cptr endpoint = object_new(OBJECT_ENDPOINT, 0), reply = object_new(OBJECT_REPLY, 0);
    for (word rights = 0; rights <= RIGHT_ALL; rights++) {
        cptr some = minted(endpoint, rights, 0);
        NOTE(rights);
        for (enum syscall number = 0; number < CALLS; number++) {
            if (rights & needed[number])
                expect(number, some, reply, blocks[number] ? BLOCKS : DONE);
            else if (number == SYSCALL_NBSEND)
                expect(number, some, reply, DONE);
            else
                expect_fault(number, some, reply, some, ERROR_ILLEGAL_OPERATION);
        }
    }
}

CASE(rights_of_notification, "All 32 sets of rights of a notification: signalling needs SEND, waiting RECV")
{
    setup();
    cptr ntfn = object_new(OBJECT_NOTIFICATION, 0), reply = object_new(OBJECT_REPLY, 0);
    for (word rights = 0; rights <= RIGHT_ALL; rights++) {
        cptr some = minted(ntfn, rights, 0);
        NOTE(rights);
        for (enum syscall number = 0; number < CALLS; number++) {
            (void)notification_poll(ntfn);
            if (receives(number))
                notification_signal(ntfn);
            word needed = receives(number) ? RIGHT_RECV : RIGHT_SEND;
            if (rights & needed || number == SYSCALL_NBSEND)
                expect(number, some, reply, DONE);
            else
                expect_fault(number, some, reply, some, ERROR_ILLEGAL_OPERATION);
            bool has_signal = receives(number) ? !(rights & RIGHT_RECV) : (rights & RIGHT_SEND) != 0;
            EQUAL(notification_poll(ntfn), has_signal);
        }
    }
}

CASE(receive_with_bad_reply,
     "A receive whose reply argument is no reply object faults with that cptr; on a notification it is ignored")
{
    static const enum syscall numbers[] = {SYSCALL_RECV, SYSCALL_NBRECV, SYSCALL_REPLY_RECV};
    cptr objects[OBJECT_TYPE_COUNT];
    setup();
    objects_of_all_types(objects);
    cptr endpoint = objects[OBJECT_ENDPOINT], empty = slot_new();
    for (unsigned i = 0; i < COUNT(numbers); i++) {
        expect_fault(numbers[i], endpoint, 0, 0, ERROR_INVALID_CAPABILITY);
        expect_fault(numbers[i], endpoint, empty, empty, ERROR_INVALID_CAPABILITY);
        for (enum object_type type = OBJECT_UNTYPED; type < OBJECT_TYPE_COUNT; type++)
            if (type != OBJECT_REPLY && objects[type] != 0)
                expect_fault(numbers[i], endpoint, objects[type], objects[type], ERROR_INVALID_CAPABILITY);
        notification_signal(objects[OBJECT_NOTIFICATION]);
        expect(numbers[i], objects[OBJECT_NOTIFICATION], empty, DONE);
    }
}

CASE(fault_repaired, "A call on an empty slot faults, the handler fills the slot, and the same call is made again")
{
    static const enum syscall numbers[] = {SYSCALL_CALL, SYSCALL_SEND,       SYSCALL_RECV,
                                           SYSCALL_WAIT, SYSCALL_REPLY_RECV, SYSCALL_NBRECV};
    setup();
    cptr slot = slot_new(), reply = object_new(OBJECT_REPLY, 0);
    for (unsigned i = 0; i < COUNT(numbers); i++) {
        cptr endpoint = object_new(OBJECT_ENDPOINT, 0);
        struct message m;
        word badge;
        actor_reset(prober);
        (void)actor_step(prober, numbers[i], slot, reply, NULL);
        actor_start(prober);
        OK(syscall_recv(faults, fault_reply, &m, &badge));
        EQUAL(message_info_label(m.info), FAULT_CAPABILITY);
        OK(cnode_copy(ROOT_CNODE, slot, ROOT_CNODE, endpoint, RIGHT_ALL));
        m.info = 0;
        OK(syscall_send(fault_reply, &m));
        EQUAL(prober->done, numbers[i] == SYSCALL_NBRECV);
        if (numbers[i] == SYSCALL_CALL || numbers[i] == SYSCALL_SEND) {
            OK(syscall_nbrecv(endpoint, fault_reply, &m, &badge));
            OK(syscall_send(fault_reply, &m));
        } else {
            OK(syscall_nbsend(endpoint, &m));
        }
        EQUAL(actor_result(prober, 0)->status, ERROR_NONE);
        OK(cnode_delete(ROOT_CNODE, slot));
    }
}

CASE(reply_twice,
     "A reply object answers once: the second answer goes nowhere, also after the caller calls somebody else")
{
    setup();
    cptr endpoint = object_new(OBJECT_ENDPOINT, 0), other = object_new(OBJECT_ENDPOINT, 0);
    cptr reply = object_new(OBJECT_REPLY, 0), other_reply = object_new(OBJECT_REPLY, 0);
    struct message m = {message_info(0, 0, 1), {7}};
    word badge;
    (void)actor_step(prober, SYSCALL_CALL, endpoint, 0, &m);
    (void)actor_step(prober, SYSCALL_CALL, other, 0, &m);
    actor_start(prober);
    OK(syscall_recv(endpoint, reply, &m, &badge));
    OK(syscall_send(reply, &m));
    EQUAL(prober->done, 1);
    OK(syscall_recv(other, other_reply, &m, &badge));
    m.words[0] = 666;
    OK(syscall_send(reply, &m));
    EQUAL(prober->done, 1);
    m.words[0] = 8;
    OK(syscall_send(other_reply, &m));
    EQUAL(actor_result(prober, 1)->m.words[0], 8);
}

CASE(reply_by_another, "Whoever holds the reply object may answer: another thread than the one that received")
{
    setup();
    cptr endpoint = object_new(OBJECT_ENDPOINT, 0), reply = object_new(OBJECT_REPLY, 0), copy = slot_new();
    OK(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, reply, 0)); /* no right is needed to answer without capabilities */
    struct actor *server = actor_calls(PRIORITY_HIGH, SYSCALL_RECV, endpoint, reply, 0);
    struct actor *client = actor_calls(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0, 4);
    EQUAL(actor_result(server, 0)->m.words[0], 4);
    struct message m = {message_info(0, 0, 1), {5}};
    OK(syscall_send(copy, &m));
    EQUAL(actor_result(client, 0)->m.words[0], 5);
}

CASE(reply_by_call, "Call and NBSend on a reply object answer just like Send, and return at once")
{
    static const enum syscall numbers[] = {SYSCALL_CALL, SYSCALL_NBSEND, SYSCALL_SEND};
    cptr endpoint = object_new(OBJECT_ENDPOINT, 0), reply = object_new(OBJECT_REPLY, 0);
    for (unsigned i = 0; i < COUNT(numbers); i++) {
        struct message m;
        word badge;
        struct actor *client = actor_calls(PRIORITY_LOW, SYSCALL_CALL, endpoint, 0, 4);
        OK(syscall_recv(endpoint, reply, &m, &badge));
        struct actor *server = actor_calls(PRIORITY_HIGH, numbers[i], reply, 0, 50 + i);
        EQUAL(actor_result(server, 0)->status, ERROR_NONE);
        EQUAL(server->steps[0].m.info, 0);
        sleep_ns(50000);
        EQUAL(actor_result(client, 0)->m.words[0], 50 + i);
    }
}

CASE(reply_taken_from_receiver,
     "A reply object taken from a waiting receiver is gone from it once and for all: its next one stays its own")
{
    cptr endpoint = object_new(OBJECT_ENDPOINT, 0), other = object_new(OBJECT_ENDPOINT, 0);
    cptr reply = object_new(OBJECT_REPLY, 0), second = object_new(OBJECT_REPLY, 0);
    struct actor *server = actor_new(PRIORITY_HIGH, 0, 0);
    struct message m = {0};
    word badge;
    (void)actor_step(server, SYSCALL_RECV, endpoint, reply, NULL);
    (void)actor_step(server, SYSCALL_RECV, endpoint, second, NULL);
    (void)actor_step(server, SYSCALL_SEND, second, 0, NULL);
    actor_start(server);
    OK(syscall_nbrecv(other, reply, &m, &badge)); /* takes it; nobody sends there */
    struct actor *client = actor_calls(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0, 1);
    EQUAL(actor_result(client, 0)->status, ERROR_ABORTED);
    OK(syscall_nbsend(endpoint, &m));
    CHECK(actor_waits_in(server, 1));
    OK(syscall_nbrecv(other, reply, &m, &badge));
    client = actor_calls(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0, 1);
    EQUAL(actor_result(client, 0)->status, ERROR_NONE);
}
