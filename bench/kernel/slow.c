/* Rows beside the commonest call: other shapes of CSpace, capabilities on the way, answers with a system call of their
 * own, messages without an answer. */
#include "slow.h"
#include "measure.h"

static cptr endpoint, reply, reports;

/* --- the processes: their data are copies of ours from when they are made --- */

static void server(word unused)
{
    struct message m;
    word badge;
    (void)unused;
    (void)syscall_recv(endpoint, reply, &m, &badge);
    for (;;)
        (void)syscall_reply_recv(endpoint, reply, &m, &badge);
}

/* Calls with so many words, then tells what a batch took. */
static void client(word length)
{
    struct message m = {message_info(0, 0, length), {1, 2, 3, 4, 5, 6, 7, 8}};
    word best;
    MEASURE_BEST(best, { (void)syscall_call(endpoint, &m); });
    m = (struct message){message_info(0, 0, 1), {best}};
    (void)syscall_call(reports, &m);
}

/* Every message has a capability, which goes to the next slot; a message without begins at the first again. */
static void capability_server(word buffer_address)
{
    struct ipc_buffer *buffer = (struct ipc_buffer *)buffer_address;
    struct message m;
    word badge;
    (void)syscall_recv(endpoint, reply, &m, &badge);
    for (;;) {
        buffer->receive_index = message_info_capabilities(m.info) == 0 ? 1 : buffer->receive_index + 1;
        m.info = 0;
        (void)syscall_reply_recv(endpoint, reply, &m, &badge);
    }
}

/* Answers by Send to the reply object. */
static void sending_server(word unused)
{
    struct message m;
    word badge;
    (void)unused;
    for (;;) {
        (void)syscall_recv(endpoint, reply, &m, &badge);
        (void)syscall_send(reply, &m);
    }
}

static void receiver(word unused)
{
    struct message m;
    word badge;
    (void)unused;
    for (;;)
        (void)syscall_recv(endpoint, reply, &m, &badge);
}

static void sender(word unused)
{
    struct message m = {message_info(0, 0, 8), {1, 2, 3, 4, 5, 6, 7, 8}};
    (void)unused;
    for (;;)
        (void)syscall_send(endpoint, &m);
}

/* --- rows --- */

static void objects_make(void)
{
    harness_mark(22);
    endpoint = object_new(OBJECT_ENDPOINT, 0);
    reply = object_new(OBJECT_REPLY, 0);
    reports = object_new(OBJECT_ENDPOINT, 0);
}

/* A process whose CSpace is `cspace`; the addresses that it knows begin with `prefix`. */
static struct thread *process_in(cptr cspace, cptr prefix, thread_function *function, word argument)
{
    endpoint += prefix, reply += prefix, reports += prefix;
    struct thread *thread = process_new(function, argument, PRIORITY, 0);
    endpoint -= prefix, reply -= prefix, reports -= prefix;
    if (tcb_set_space(thread->tcb, cspace, thread->vspace, 0) != ERROR_NONE)
        give_up("a CSpace cannot be set", cspace);
    return thread;
}

static cptr root_cnode_guarded(word guard, word bits)
{
    cptr slot = slot_new();
    if (cnode_mint(ROOT_CNODE, slot, ROOT_CNODE, ROOT_CNODE, RIGHT_ALL, cnode_guard(guard, bits)) != ERROR_NONE)
        give_up("a CNode capability cannot be minted", slot);
    return slot;
}

/* Round trip of two processes with a passive server, both in such a CSpace. */
static void cspace_row(const char *name, cptr cspace, cptr prefix, word length)
{
    cptr answer = object_new(OBJECT_REPLY, 0);
    struct thread *passive = process_in(cspace, prefix, server, 0);
    thread_start(passive);
    let_others_run();
    thread_make_passive(passive);
    thread_start(process_in(cspace, prefix, client, length));
    struct message m;
    word badge;
    (void)syscall_recv(reports, answer, &m, &badge);
    report(name, m.words[0], OPERATIONS);
}

/* One CNode, whose guard is not zero. */
static void guarded_row(const char *name, word length)
{
    objects_make();
    cspace_row(name, root_cnode_guarded(1, 32 - ROOT_CNODE_BITS), 1 << ROOT_CNODE_BITS, length);
    harness_release();
}

/* A CNode of 256 slots above ours. */
static void levels_row(void)
{
    objects_make();
    cptr above = object_new(OBJECT_CNODE, 8);
    if (cnode_move(above, 1, ROOT_CNODE, root_cnode_guarded(0, 24 - ROOT_CNODE_BITS)) != ERROR_NONE)
        give_up("a CNode cannot be put below another", above);
    cspace_row("ipc_call_reply_8_levels", above, 1 << 24, 8);
    harness_release();
}

/* Call with a capability, which is copied to the server's CNode; the answer has none. */
static void capability_row(void)
{
    objects_make();
    cptr cnode = object_new(OBJECT_CNODE, 10);
    struct thread *passive = process_new(capability_server, 0, PRIORITY, 0);
    thread_aim(passive, capability_server, (word)passive->buffer);
    passive->buffer->receive_cnode = cnode;
    thread_start(passive);
    let_others_run();
    thread_make_passive(passive);
    own_buffer->caps_or_badges[0] = reports;
    word best = ~0ul;
    for (int batch = 0; batch < BATCHES; batch++) {
        struct message m = {0, {0}};
        (void)syscall_call(endpoint, &m);
        word begin = counter_read();
        for (int i = 0; i < OPERATIONS; i++) {
            m.info = message_info(0, 1, 0);
            (void)syscall_call(endpoint, &m);
        }
        word took = counter_read() - begin;
        best = took < best ? took : best;
        if (cnode_delete_all(cnode, 1, OPERATIONS) != ERROR_NONE)
            give_up("what was received cannot be deleted", cnode);
    }
    report("ipc_call_reply_cap", best, OPERATIONS);
    harness_release();
}

/* Call of a server of higher priority with its own time, which answers and receives with two system calls. */
static void answer_row(void)
{
    objects_make();
    thread_start(process_new(sending_server, 0, PRIORITY + 1, 0));
    struct message m = {message_info(0, 0, 8), {1, 2, 3, 4, 5, 6, 7, 8}};
    MEASURE("ipc_call_send_8", { (void)syscall_call(endpoint, &m); });
    harness_release();
}

/* Send to a process of higher priority, which receives again: no reply object is at work, both have their own time. */
static void send_row(void)
{
    objects_make();
    thread_start(process_new(receiver, 0, PRIORITY + 1, 0));
    struct message m = {message_info(0, 0, 8), {1, 2, 3, 4, 5, 6, 7, 8}};
    MEASURE("ipc_send_recv_8", { (void)syscall_send(endpoint, &m); });
    harness_release();
}

/* Recv from a process of higher priority that waits to send; it comes back at once, sends again and waits. */
static void queued_row(void)
{
    objects_make();
    thread_start(process_new(sender, 0, PRIORITY + 1, 0));
    struct message m;
    word badge;
    MEASURE("ipc_recv_queued_8", { (void)syscall_recv(endpoint, reply, &m, &badge); });
    harness_release();
}

void slow_rows(void)
{
    guarded_row("ipc_call_reply_8_slow", 8);
    guarded_row("ipc_call_reply_64_slow", 64);
    levels_row();
    capability_row();
    answer_row();
    send_row();
    queued_row();
}
