/* Death of what threads live in: CSpaces, address spaces, buffers, fault endpoints, whole processes. */
#include "test.h"

#define SENT 0x5e

static cptr endpoint, reply, faults;

static void setup(enum kill how)
{
    kill_round(how);
    endpoint = object_new(OBJECT_ENDPOINT, 0);
    reply = object_new(OBJECT_REPLY, 0);
    faults = object_new(OBJECT_ENDPOINT, 0);
}

static void expect_fault(enum fault kind, word w2)
{
    struct message m;
    word badge;
    OK(syscall_nbrecv(faults, reply, &m, &badge));
    EQUAL(message_info_label(m.info), kind);
    EQUAL(m.words[2], w2);
}

/* A CSpace of 128 slots that can die, with the endpoint at the cptr that it has in ours. */
static cptr small_cspace(void)
{
    cptr cnode = victim_new(OBJECT_CNODE), root = slot_new();
    OK(cnode_copy(cnode, 5, ROOT_CNODE, endpoint, RIGHT_ALL));
    OK(cnode_mint(ROOT_CNODE, root, ROOT_CNODE, cnode, RIGHT_ALL, cnode_guard(0, 25)));
    return cnode;
}

CASE(death_cspace_blocked, "The CSpace of a queued sender dies: its message is received, its next call is a fault")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        cptr cspace = small_cspace();
        struct actor *a = actor_new(PRIORITY_HIGH, 0, 0);
        struct message m = {message_info(0, 0, 1), {SENT}};
        word badge;
        (void)actor_step(a, SYSCALL_SEND, 5, 0, &m);
        (void)actor_step(a, SYSCALL_SEND, 5, 0, &m);
        OK(tcb_set_space(a->thread->tcb, cspace + 1, ROOT_VSPACE, faults));
        actor_start(a);
        CHECK(actor_waits_in(a, 0));
        victim_kill(cspace, how);
        OK(syscall_recv(endpoint, reply, &m, &badge));
        EQUAL(m.words[0], SENT);
        EQUAL(actor_result(a, 0)->status, ERROR_NONE);
        expect_fault(FAULT_CAPABILITY, 5);
        victim_check_reclaimed(cspace);
    }
}

CASE(death_cspace_received_into,
     "The CNode for received capabilities dies under a receiver: the message comes without them")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        cptr cnode = victim_new(OBJECT_CNODE);
        struct actor *a = actor_new(PRIORITY_HIGH, 0, 0);
        (void)actor_step(a, SYSCALL_RECV, endpoint, reply, NULL);
        a->thread->buffer->receive_cnode = cnode;
        a->thread->buffer->receive_index = 2;
        actor_start(a);
        victim_kill(cnode, how);
        own_buffer->caps_or_badges[0] = reply;
        struct message m = {message_info(3, 1, 1), {SENT}};
        OK(syscall_send(endpoint, &m));
        EQUAL(actor_result(a, 0)->m.info, message_info(3, 0, 1));
        EQUAL(actor_result(a, 0)->m.words[0], SENT);
    }
}

CASE(death_vspace_blocked,
     "The address space of a receiver dies: the message is delivered, the thread faults at its next step")
{
    for (enum kill how = 0; how < KILL_UNTYPED; how++) {
        setup(how);
        struct actor *a = actor_new(PRIORITY_HIGH, ACTOR_PROCESS, faults);
        (void)actor_step(a, SYSCALL_RECV, endpoint, reply, NULL);
        actor_start(a);
        OK(cnode_revoke(ROOT_CNODE, a->thread->vspace));
        OK(cnode_delete(ROOT_CNODE, a->thread->vspace));
        struct message m = {message_info(0, 0, 1), {SENT}};
        OK(syscall_send(endpoint, &m));
        EQUAL(a->done, 0);
        word badge;
        OK(syscall_nbrecv(faults, reply, &m, &badge));
        EQUAL(message_info_label(m.info), FAULT_VM);
        EQUAL(m.words[4] & FAULT_VM_FETCH, FAULT_VM_FETCH);
        EQUAL(m.words[0], m.words[2]);
    }
}

CASE(death_vspace_frames, "Frames that were mapped in a dead address space can be mapped elsewhere at once")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        cptr vspace = victim_new(OBJECT_VSPACE), frame = object_new(OBJECT_FRAME, 12);
        map_page(vspace, frame, 0x5000000000ul, RIGHT_READ | RIGHT_WRITE, 0);
        victim_kill(vspace, how);
        map_page(ROOT_VSPACE, frame, HARNESS_MAP_BASE, RIGHT_READ | RIGHT_WRITE, 0);
        *(volatile word *)HARNESS_MAP_BASE = how;
        OK(cnode_delete(ROOT_CNODE, frame));
        victim_check_reclaimed(vspace);
    }
}

CASE(death_vspace_tables, "Page tables of a dead address space serve in another, empty")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        cptr vspace = victim_new(OBJECT_VSPACE), next = object_new(OBJECT_VSPACE, 0);
        cptr tables = objects_new(OBJECT_PAGE_TABLE, 0, 3), frame = object_new(OBJECT_FRAME, 12);
        word address = 0x5000000000ul;
        for (word i = 0; i < 3; i++)
            OK(page_table_map(tables + i, vspace, address, 3 - i, 0));
        map_page(vspace, frame, address, RIGHT_READ, 0);
        victim_kill(vspace, how);
        for (word i = 0; i < 3; i++) {
            EQUAL(page_table_map(tables + i, next, address, 3 - i, 0), ERROR_DELETE_FIRST);
            OK(page_table_unmap(tables + i));
            OK(page_table_map(tables + i, next, address, 3 - i, 0));
        }
        cptr other = object_new(OBJECT_FRAME, 12);
        OK(frame_map(other, next, address, RIGHT_READ, 0, 0, 0, NULL, NULL)); /* nothing is there */
    }
}

/* The buffer of one side dies while a message of 40 words with a capability waits in a queue. */
static void buffer_dies(bool of_sender)
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        cptr frame = victim_new(OBJECT_FRAME);
        struct actor *a = actor_new(PRIORITY_HIGH, 0, 0);
        struct message m = {message_info(9, 1, 40), {SENT}};
        (void)actor_step(a, of_sender ? SYSCALL_SEND : SYSCALL_RECV, endpoint, of_sender ? 0 : reply,
                         of_sender ? &m : NULL);
        map_page(ROOT_VSPACE, frame, HARNESS_MAP_BASE, RIGHT_READ | RIGHT_WRITE, 0);
        struct ipc_buffer *buffer = (struct ipc_buffer *)HARNESS_MAP_BASE;
        buffer->caps_or_badges[0] = own_buffer->caps_or_badges[0] = reply;
        buffer->receive_cnode = own_buffer->receive_cnode = ROOT_CNODE;
        cptr slot = slot_new();
        buffer->receive_index = own_buffer->receive_index = slot;
        OK(tcb_set_ipc_buffer(a->thread->tcb, HARNESS_MAP_BASE, frame));
        actor_start(a);
        victim_kill(frame, how);
        word badge, info;
        if (of_sender) {
            OK(syscall_recv(endpoint, reply, &m, &badge));
            info = m.info;
        } else {
            OK(syscall_send(endpoint, &m));
            info = actor_result(a, 0)->m.info;
        }
        EQUAL(info, message_info(9, 0, MESSAGE_REGISTERS));
        CHECK(!slot_is_used(slot));
        victim_check_reclaimed(frame);
    }
}

CASE(death_buffer_of_sender, "The buffer of a queued sender dies: eight words come, no capability")
{
    buffer_dies(true);
}

CASE(death_buffer_of_receiver, "The buffer of a receiver dies: eight words come, no capability")
{
    buffer_dies(false);
}

static volatile word address_to_touch;

static void toucher(word unused)
{
    (void)unused;
    *(volatile word *)address_to_touch = 1;
}

CASE(death_handler_endpoint_queued,
     "The fault endpoint dies with a fault queued: the thread stops, and can be resumed with another")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        cptr handler = victim_new(OBJECT_ENDPOINT);
        address_to_touch = 0x5000000000ul;
        struct thread *t = thread_new(toucher, 0, PRIORITY_HIGH, handler);
        thread_start(t);
        victim_kill(handler, how);
        OK(tcb_set_space(t->tcb, ROOT_CNODE, ROOT_VSPACE, faults));
        OK(tcb_resume(t->tcb));
        expect_fault(FAULT_VM, address_to_touch);
    }
}

CASE(death_handler_thread,
     "A fault handler dies with a fault in hand: its successor on the endpoint gets the fault anew")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *handler = actor_mortal(PRIORITY_HIGH, 0, 0);
        (void)actor_step(handler, SYSCALL_RECV, faults, object_new(OBJECT_REPLY, 0), NULL);
        (void)actor_step(handler, SYSCALL_WAIT, endpoint, 0, NULL);
        actor_start(handler);
        address_to_touch = 0x5000000000ul;
        thread_start(thread_new(toucher, 0, PRIORITY_HIGH, faults));
        CHECK(actor_waits_in(handler, 1));
        actor_kill(handler, how);
        expect_fault(FAULT_VM, address_to_touch);
    }
}

CASE(death_of_faulted_queued, "A thread dies while its fault waits in the queue: the handler hears nothing of it")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *a = actor_mortal(PRIORITY_HIGH, 0, faults);
        (void)actor_step(a, SYSCALL_CALL, slot_new(), 0, NULL);
        actor_start(a);
        actor_kill(a, how);
        struct message m;
        word badge;
        OK(syscall_nbrecv(faults, reply, &m, &badge));
        EQUAL(m.info, 0);
    }
}

CASE(death_of_faulted_in_hand, "A thread dies while the handler has its fault: the answer does nothing")
{
    for (enum kill how = 0; how < KILLS; how++) {
        setup(how);
        struct actor *a = actor_mortal(PRIORITY_HIGH, 0, faults);
        (void)actor_step(a, SYSCALL_CALL, slot_new(), 0, NULL);
        actor_start(a);
        struct message m;
        word badge;
        OK(syscall_recv(faults, reply, &m, &badge));
        actor_kill(a, how);
        m.info = 0;
        OK(syscall_send(reply, &m));
        OK(syscall_nbrecv(faults, reply, &m, &badge));
        EQUAL(m.info, 0);
    }
}

/* --- processes --- */

CASE(death_process_serving, "A whole process dies with a call in hand: the caller is told, and all its memory is free")
{
    setup(KILL_UNTYPED);
    struct actor *server = actor_mortal(PRIORITY_HIGH, ACTOR_PROCESS | ACTOR_FP, 0);
    (void)actor_step(server, SYSCALL_RECV, endpoint, reply, NULL);
    (void)actor_step(server, SYSCALL_WAIT, faults, 0, NULL);
    actor_start(server);
    struct actor *client = actor_calls(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0, SENT);
    CHECK(actor_waits_in(server, 1));
    actor_kill(server, KILL_UNTYPED);
    EQUAL(actor_result(client, 0)->status, ERROR_ABORTED);
    struct untyped_description d;
    OK(untyped_describe(server->untyped, &d));
    EQUAL(d.free_bytes, 1ul << d.size_bits);
}

CASE(death_process_by_itself,
     "A thread revokes the memory that itself, its space and its buffer are made of: all of it goes")
{
    setup(KILL_UNTYPED);
    struct actor *a = actor_mortal(PRIORITY_HIGH, ACTOR_PROCESS, 0);
    struct message m = {message_info(CNODE_REVOKE, 0, 1), {a->untyped}};
    (void)actor_step(a, SYSCALL_CALL, ROOT_CNODE, 0, &m);
    actor_start(a);
    EQUAL(a->done, 0);
    CHECK(!slot_is_used(a->thread->tcb));
    CHECK(!slot_is_used(a->thread->vspace));
    OK(cnode_revoke(ROOT_CNODE, a->untyped)); /* whatever it was stopped in */
    struct untyped_description d;
    OK(untyped_describe(a->untyped, &d));
    EQUAL(d.free_bytes, 1ul << d.size_bits);
}
