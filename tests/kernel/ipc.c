/* Endpoints: Call, ReplyRecv, Send, NBSend, Recv, NBRecv, long messages, capability transfer, rights and badges. */
#include "test.h"

static cptr endpoint, reply, notification;

/* Answers each call with the words plus one and the badge in word 7; ends after `count` calls. */
static void adder(word count)
{
    struct message m;
    word badge;
    (void)syscall_recv(endpoint, reply, &m, &badge);
    while (true) {
        for (int i = 0; i < 7; i++)
            m.words[i]++;
        m.words[7] = badge;
        m.info = message_info(message_info_label(m.info) + 1, 0, 8);
        if (--count == 0)
            break;
        (void)syscall_reply_recv(endpoint, reply, &m, &badge);
    }
    (void)syscall_send(reply, &m);
}

static void endpoint_setup(void)
{
    endpoint = object_new(OBJECT_ENDPOINT, 0);
    reply = object_new(OBJECT_REPLY, 0);
    notification = object_new(OBJECT_NOTIFICATION, 0);
}

static void call_and_check(cptr to, word badge)
{
    struct message m = {message_info(7, 0, 8), {10, 20, 30, 40, 50, 60, 70, 80}};
    OK(syscall_call(to, &m));
    EQUAL(message_info_label(m.info), 8);
    EQUAL(message_info_length(m.info), 8);
    for (word i = 0; i < 7; i++)
        EQUAL(m.words[i], (i + 1) * 10 + 1);
    EQUAL(m.words[7], badge);
}

CASE(call_same_space, "Call and reply between threads of one address space, all eight words")
{
    endpoint_setup();
    thread_start(thread_new(adder, 3, PRIORITY_HIGH, 0));
    for (int i = 0; i < 3; i++)
        call_and_check(endpoint, 0);
}

CASE(call_other_space, "Call and reply between two address spaces")
{
    endpoint_setup();
    thread_start(process_new(adder, 3, PRIORITY_HIGH, 0));
    for (int i = 0; i < 3; i++)
        call_and_check(endpoint, 0);
}

CASE(call_lower_priority, "Call to a server of lower priority that was not waiting yet")
{
    endpoint_setup();
    thread_start(process_new(adder, 2, PRIORITY_LOW, 0));
    call_and_check(endpoint, 0);
    call_and_check(endpoint, 0);
}

CASE(call_passive, "Call to a passive server, which runs on the caller's scheduling context")
{
    endpoint_setup();
    struct thread *server = process_new(adder, 3, PRIORITY_HIGH, 0);
    thread_start(server);
    thread_make_passive(server);
    for (int i = 0; i < 3; i++)
        call_and_check(endpoint, 0);
}

CASE(call_badge, "A minted capability's badge reaches the server, and its rights are those asked for")
{
    endpoint_setup();
    cptr badged = slot_new();
    OK(cnode_mint(ROOT_CNODE, badged, ROOT_CNODE, endpoint, RIGHT_CALL, 0x1234));
    thread_start(process_new(adder, 1, PRIORITY_HIGH, 0));
    call_and_check(badged, 0x1234);
}

static volatile word seen[16];

static void collector(word count)
{
    for (word i = 0; i < count; i++) {
        struct message m;
        word badge;
        (void)syscall_recv(endpoint, reply, &m, &badge);
        seen[i] = m.words[0] + badge;
    }
    notification_signal(notification);
}

CASE(send_blocks, "Send blocks until a receiver comes; senders are served in order")
{
    endpoint_setup();
    thread_start(thread_new(collector, 3, PRIORITY_LOW, 0));
    for (word i = 0; i < 3; i++) {
        struct message m = {message_info(0, 0, 1), {100 + i}};
        OK(syscall_send(endpoint, &m));
    }
    (void)notification_wait(notification);
    for (word i = 0; i < 3; i++)
        EQUAL(seen[i], 100 + i);
}

CASE(nbsend_without_receiver, "NBSend with nobody waiting does nothing")
{
    endpoint_setup();
    struct message m = {message_info(0, 0, 1), {1}};
    OK(syscall_nbsend(endpoint, &m));
    word badge;
    OK(syscall_nbrecv(endpoint, reply, &m, &badge));
    EQUAL(m.info, 0);
    EQUAL(badge, 0);
}

CASE(nbsend_with_receiver, "NBSend delivers to a waiting receiver")
{
    endpoint_setup();
    seen[0] = 0;
    thread_start(thread_new(collector, 1, PRIORITY_HIGH, 0));
    struct message m = {message_info(0, 0, 1), {55}};
    OK(syscall_nbsend(endpoint, &m));
    EQUAL(seen[0], 55);
}

static void long_echo(word count)
{
    (void)count;
    struct message m;
    word badge;
    struct ipc_buffer *buffer = (struct ipc_buffer *)seen[15];
    (void)syscall_recv(endpoint, reply, &m, &badge);
    while (true) {
        word length = message_info_length(m.info);
        for (word i = MESSAGE_REGISTERS; i < length; i++)
            buffer->words[i] ^= 0xff;
        (void)syscall_reply_recv(endpoint, reply, &m, &badge);
    }
}

CASE(long_messages, "Messages of every length up to 120 words travel through the IPC buffers, both ways")
{
    endpoint_setup();
    struct thread *server = thread_new(long_echo, 0, PRIORITY_HIGH, 0);
    seen[15] = (word)server->buffer;
    thread_start(server);
    for (word length = 0; length <= MESSAGE_WORDS; length++) {
        struct message m = {message_info(1, 0, length), {1, 2, 3, 4, 5, 6, 7, 8}};
        for (word i = MESSAGE_REGISTERS; i < MESSAGE_WORDS; i++)
            own_buffer->words[i] = i * 1000;
        OK(syscall_call(endpoint, &m));
        EQUAL(message_info_length(m.info), length);
        for (word i = MESSAGE_REGISTERS; i < MESSAGE_WORDS; i++)
            EQUAL(own_buffer->words[i], i < length ? i * 1000 ^ 0xff : i * 1000);
    }
}

CASE(length_beyond_limit, "A length above 120 words is cut to 120")
{
    endpoint_setup();
    struct thread *server = thread_new(long_echo, 0, PRIORITY_HIGH, 0);
    seen[15] = (word)server->buffer;
    thread_start(server);
    struct message m = {message_info(1, 0, 127), {0}};
    OK(syscall_call(endpoint, &m));
    EQUAL(message_info_length(m.info), MESSAGE_WORDS);
}

static void capability_taker(word slot)
{
    struct message m;
    word badge;
    struct ipc_buffer *buffer = (struct ipc_buffer *)seen[15];
    buffer->receive_cnode = ROOT_CNODE;
    buffer->receive_index = slot;
    (void)syscall_recv(endpoint, reply, &m, &badge);
    seen[0] = message_info_capabilities(m.info);
    seen[1] = message_info_unwrapped(m.info);
    seen[2] = buffer->caps_or_badges[0];
    m.info = 0;
    (void)syscall_reply_recv(endpoint, reply, &m, &badge);
}

CASE(capability_transfer, "A capability in a message arrives in the receiver's slot and works")
{
    endpoint_setup();
    cptr slot = slot_new(), badged = slot_new();
    OK(cnode_mint(ROOT_CNODE, badged, ROOT_CNODE, notification, RIGHT_ALL, 4));
    struct thread *server = thread_new(capability_taker, slot, PRIORITY_HIGH, 0);
    seen[15] = (word)server->buffer;
    thread_start(server);
    own_buffer->caps_or_badges[0] = badged;
    struct message m = {message_info(0, 1, 0), {0}};
    OK(syscall_call(endpoint, &m));
    EQUAL(seen[0], 1);
    EQUAL(seen[1], 0);
    notification_signal(slot);
    EQUAL(notification_poll(notification), 4);
    OK(cnode_delete(ROOT_CNODE, slot));
}

CASE(capability_unwrapped, "A capability to the endpoint itself is unwrapped: only its badge arrives")
{
    endpoint_setup();
    cptr slot = slot_new(), badged = slot_new();
    OK(cnode_mint(ROOT_CNODE, badged, ROOT_CNODE, endpoint, RIGHT_ALL, 77));
    struct thread *server = thread_new(capability_taker, slot, PRIORITY_HIGH, 0);
    seen[15] = (word)server->buffer;
    thread_start(server);
    own_buffer->caps_or_badges[0] = badged;
    struct message m = {message_info(0, 1, 0), {0}};
    OK(syscall_call(endpoint, &m));
    EQUAL(seen[1], 1);
    EQUAL(seen[2], 77);
    EQUAL(cnode_delete(ROOT_CNODE, slot), ERROR_NONE);
}

CASE(capability_without_grant, "Without RIGHT_GRANT no capability crosses, the message does")
{
    endpoint_setup();
    cptr slot = slot_new(), plain = slot_new();
    OK(cnode_mint(ROOT_CNODE, plain, ROOT_CNODE, endpoint, RIGHT_CALL, 0));
    struct thread *server = thread_new(capability_taker, slot, PRIORITY_HIGH, 0);
    seen[15] = (word)server->buffer;
    thread_start(server);
    own_buffer->caps_or_badges[0] = notification;
    struct message m = {message_info(0, 1, 0), {0}};
    OK(syscall_call(plain, &m));
    EQUAL(seen[0], 0);
}

/* --- the dead --- */

static volatile word status_seen;

static void caller(word to)
{
    struct message m = {message_info(0, 0, 1), {5}};
    status_seen = syscall_call((cptr)to, &m);
    notification_signal(notification);
    for (;;)
        (void)notification_wait(notification);
}

static void silent_server(word unused)
{
    (void)unused;
    struct message m;
    word badge;
    (void)syscall_recv(endpoint, reply, &m, &badge);
    for (;;)
        (void)notification_wait((cptr)seen[14]);
}

static void abort_setup(struct thread **server)
{
    endpoint_setup();
    status_seen = ~0ul;
    seen[14] = object_new(OBJECT_NOTIFICATION, 0);
    *server = thread_new(silent_server, 0, PRIORITY_HIGH, 0);
    thread_start(*server);
    thread_start(thread_new(caller, endpoint, PRIORITY_HIGH, 0));
    EQUAL(status_seen, ~0ul);
}

CASE(abort_reply_deleted, "Deleting the reply object resumes the caller with ERROR_ABORTED")
{
    struct thread *server;
    abort_setup(&server);
    OK(cnode_delete(ROOT_CNODE, reply));
    EQUAL(status_seen, ERROR_ABORTED);
}

CASE(abort_server_deleted, "Deleting the server's thread resumes the caller with ERROR_ABORTED")
{
    struct thread *server;
    abort_setup(&server);
    OK(cnode_delete(ROOT_CNODE, server->tcb));
    EQUAL(status_seen, ERROR_ABORTED);
}

CASE(abort_endpoint_deleted_in_queue, "Deleting the endpoint resumes a caller that still waits in its queue")
{
    endpoint_setup();
    status_seen = ~0ul;
    thread_start(thread_new(caller, endpoint, PRIORITY_HIGH, 0));
    EQUAL(status_seen, ~0ul);
    OK(cnode_delete(ROOT_CNODE, endpoint));
    EQUAL(status_seen, ERROR_ABORTED);
}

CASE(abort_passive_server_deleted, "The scheduling context lent to a passive server comes back when the server dies")
{
    endpoint_setup();
    status_seen = ~0ul;
    seen[14] = object_new(OBJECT_NOTIFICATION, 0);
    struct thread *server = thread_new(silent_server, 0, PRIORITY_HIGH, 0);
    thread_start(server);
    thread_make_passive(server);
    thread_start(thread_new(caller, endpoint, PRIORITY_HIGH, 0));
    EQUAL(status_seen, ~0ul);
    OK(cnode_delete(ROOT_CNODE, server->tcb));
    EQUAL(status_seen, ERROR_ABORTED);
}

CASE(abort_caller_deleted, "Deleting a caller in the middle of a call leaves the server able to go on")
{
    endpoint_setup();
    seen[14] = object_new(OBJECT_NOTIFICATION, 0);
    struct thread *server = thread_new(silent_server, 0, PRIORITY_HIGH, 0);
    thread_start(server);
    struct thread *client = thread_new(caller, endpoint, PRIORITY_HIGH, 0);
    thread_start(client);
    OK(cnode_delete(ROOT_CNODE, client->tcb));
    struct message m = {0};
    OK(syscall_send(reply, &m));
    notification_signal((cptr)seen[14]);
}

CASE(cancel_badged_sends, "CANCEL_BADGED_SENDS resumes the waiting callers of one badge only")
{
    endpoint_setup();
    cptr one = slot_new();
    OK(cnode_mint(ROOT_CNODE, one, ROOT_CNODE, endpoint, RIGHT_ALL, 1));
    status_seen = ~0ul;
    thread_start(thread_new(caller, one, PRIORITY_HIGH, 0));
    OK(cnode_cancel_badged_sends(ROOT_CNODE, one));
    EQUAL(status_seen, ERROR_ABORTED);
}
