/* Messages: length x buffers x address spaces x FP x passive servers x fast and slow path; capabilities in messages. */
#include "test.h"

static cptr endpoint, reply, slot;

static void setup(void)
{
    endpoint = object_new(OBJECT_ENDPOINT, 0);
    reply = object_new(OBJECT_REPLY, 0);
}

static word pattern(word seed, word i)
{
    return seed * 0x10000 + i;
}

static void buffer_fill(struct ipc_buffer *buffer, word seed)
{
    for (word i = 0; i < MESSAGE_WORDS; i++)
        buffer->words[i] = pattern(seed, i);
}

/* Words 8.. of a message of that length came from `from`; up to three more may have; the rest is `own`. */
static void buffer_check(const struct ipc_buffer *buffer, word length, word from, word own)
{
    for (word i = MESSAGE_REGISTERS; i < MESSAGE_WORDS; i++) {
        NOTE(i);
        word value = buffer->words[i];
        if (i < length)
            EQUAL(value, pattern(from, i));
        else if (value != pattern(own, i))
            CHECK(i < ((length + 3) & ~3ul) && value == pattern(from, i));
    }
}

static const word lengths[] = {0, 1, 7, 8, 9, 11, 12, 13, 64, 117, 119, 120, 121, 127};

static word length_through(word length, bool with_buffers)
{
    word most = with_buffers ? MESSAGE_WORDS : MESSAGE_REGISTERS;
    return length < most ? length : most;
}

/* Calls of every length to a server of that kind, which echoes them. */
static void calls_to(unsigned flags, bool root_has_buffer)
{
    setup();
    struct actor *server = actor_serves(PRIORITY_HIGH, flags, endpoint, reply);
    bool both = root_has_buffer && !(flags & ACTOR_NO_BUFFER);
    if (!root_has_buffer)
        OK(tcb_set_ipc_buffer(ROOT_TCB, 0, 0));
    for (word k = 0; k < COUNT(lengths); k++) {
        struct message m = {message_info(5, 0, lengths[k]), {1, 2, 3, 4, 5, 6, 7, 8}};
        word through = length_through(lengths[k], both), beyond = both ? through : 0;
        buffer_fill(own_buffer, 1);
        buffer_fill(server->thread->buffer, 2);
        enum error status = syscall_call(endpoint, &m);
        NOTE(lengths[k]);
        EQUAL(status, ERROR_NONE);
        EQUAL(m.info, message_info(5, 0, through));
        for (word i = 0; i < 8; i++)
            EQUAL(m.words[i], i + 1);
        buffer_check(own_buffer, beyond, 1, 1);
        buffer_check(server->thread->buffer, beyond, 1, 2);
    }
    if (!root_has_buffer)
        OK(tcb_set_ipc_buffer(ROOT_TCB, boot->ipc_buffer, ROOT_IPC_BUFFER));
}

CASE(message_same_space, "Calls of 14 lengths to a thread of the same space: both buffers have the message and no more")
{
    calls_to(0, true);
}
CASE(message_other_space, "Calls of 14 lengths to another address space")
{
    calls_to(ACTOR_PROCESS, true);
}
CASE(message_passive, "Calls of 14 lengths to a passive server")
{
    calls_to(ACTOR_PASSIVE, true);
}
CASE(message_passive_other_space, "Calls of 14 lengths to a passive server in another address space with FP")
{
    calls_to(ACTOR_PASSIVE | ACTOR_PROCESS | ACTOR_FP, true);
}
CASE(message_server_without_buffer,
     "Calls of 14 lengths to a server without buffer: eight words at most, and the length says so")
{
    calls_to(ACTOR_NO_BUFFER, true);
}
CASE(message_caller_without_buffer, "Calls of 14 lengths by a caller without buffer: eight words at most")
{
    calls_to(0, false);
}
CASE(message_nobody_has_buffer, "Calls of 14 lengths where neither side has a buffer, to a passive server")
{
    calls_to(ACTOR_NO_BUFFER | ACTOR_PASSIVE, false);
}

CASE(message_slow_path, "Messages of 14 lengths from a queued sender (never the fast path) arrive as whole as others")
{
    setup();
    for (word k = 0; k < COUNT(lengths); k++) {
        struct actor *a = actor_new(PRIORITY_HIGH, 0, 0);
        struct message m = {message_info(k, 0, lengths[k]), {1, 2, 3, 4, 5, 6, 7, 8}};
        word badge, through = length_through(lengths[k], true);
        (void)actor_step(a, SYSCALL_SEND, endpoint, 0, &m);
        buffer_fill(a->thread->buffer, 3);
        buffer_fill(own_buffer, 4);
        actor_start(a);
        OK(syscall_recv(endpoint, reply, &m, &badge));
        NOTE(k);
        EQUAL(m.info, message_info(k, 0, through));
        buffer_check(own_buffer, through, 3, 4);
    }
}

CASE(message_label, "Labels of all 52 bits travel both ways, by every path")
{
    static const word labels[] = {0, 1, 0x7ff, 0x123456789abcd, 0xfffffffffffff};
    setup();
    (void)actor_serves(PRIORITY_HIGH, ACTOR_PROCESS, endpoint, reply);
    for (word i = 0; i < COUNT(labels); i++) {
        struct message m = {message_info(labels[i], 0, 2), {0}};
        OK(syscall_call(endpoint, &m));
        EQUAL(m.info, message_info(labels[i], 0, 2));
    }
}

CASE(message_badges, "Badges of all 64 bits arrive, from waiting senders and at waiting receivers")
{
    static const word badges[] = {1, 0xffffffff, 0x8000000000000000, ~0ul};
    setup();
    for (word i = 0; i < COUNT(badges); i++) {
        cptr badged = minted(endpoint, RIGHT_ALL, badges[i]);
        struct message m;
        word badge;
        (void)actor_calls(PRIORITY_HIGH, SYSCALL_SEND, badged, 0, 0);
        OK(syscall_recv(endpoint, reply, &m, &badge));
        EQUAL(badge, badges[i]);
        struct actor *receiver = actor_calls(PRIORITY_HIGH, SYSCALL_RECV, endpoint, reply, 0);
        OK(syscall_nbsend(badged, &m));
        EQUAL(actor_result(receiver, 0)->destination, badges[i]);
    }
}

CASE(message_buffer_offset,
     "IPC buffers at the second to fourth place of a page, and in a frame of 16 KiB, are the right ones")
{
    setup();
    cptr frame;
    char *memory = memory_new(14, &frame);
    struct actor *a = actor_new(PRIORITY_HIGH, 0, 0);
    for (word offset = 1024; offset < 16384; offset += 3072) {
        struct ipc_buffer *buffer = (struct ipc_buffer *)(memory + offset);
        actor_reset(a);
        OK(tcb_set_ipc_buffer(a->thread->tcb, (word)buffer, frame));
        (void)actor_step(a, SYSCALL_RECV, endpoint, reply, NULL);
        buffer_fill(own_buffer, offset);
        buffer_fill(buffer, 1);
        actor_start(a);
        struct message m = {message_info(0, 0, MESSAGE_WORDS), {0}};
        OK(syscall_send(endpoint, &m));
        NOTE(offset);
        buffer_check(buffer, MESSAGE_WORDS, offset, 1);
    }
}

/* --- capabilities --- */

/* A receiver that takes `count` capabilities from `slot` on. */
static struct actor *taker(enum syscall number)
{
    struct actor *a = actor_new(PRIORITY_HIGH, 0, 0);
    setup();
    slot = slots_new(4);
    (void)actor_step(a, number, endpoint, reply, NULL);
    (void)actor_step(a, SYSCALL_WAIT, object_new(OBJECT_NOTIFICATION, 0), 0, NULL);
    a->thread->buffer->receive_cnode = ROOT_CNODE;
    a->thread->buffer->receive_index = slot;
    return a;
}

static void send_capabilities(cptr to, word count)
{
    struct message m = {message_info(3, count, 2), {11, 12}};
    OK(syscall_send(to, &m));
}

CASE(caps_none_to_three, "Messages with 0 to 3 capabilities: as many arrive in consecutive slots, and the info says so")
{
    for (word count = 0; count <= MESSAGE_CAPABILITIES; count++) {
        struct actor *a = taker(SYSCALL_RECV);
        cptr sent[3];
        for (word i = 0; i < 3; i++) {
            sent[i] = minted(object_new(OBJECT_NOTIFICATION, 0), RIGHT_ALL, i + 5);
            own_buffer->caps_or_badges[i] = sent[i];
        }
        actor_start(a);
        send_capabilities(endpoint, count);
        NOTE(count);
        EQUAL(actor_result(a, 0)->m.info, message_info(3, count, 2));
        EQUAL(actor_result(a, 0)->m.words[1], 12);
        for (word i = 0; i < 4; i++)
            EQUAL(slot_is_used(slot + i), i < count);
        for (word i = 0; i < count; i++) {
            notification_signal(slot + i);
            EQUAL(notification_poll(sent[i]), i + 5);
        }
    }
}

CASE(caps_from_queue, "A queued sender's capabilities arrive as well, with Recv, NBRecv and Wait")
{
    static const enum syscall numbers[] = {SYSCALL_RECV, SYSCALL_NBRECV, SYSCALL_WAIT, SYSCALL_NBWAIT};
    for (word i = 0; i < COUNT(numbers); i++) {
        struct actor *a = taker(numbers[i]), *sender = actor_new(PRIORITY_HIGH, 0, 0);
        struct message m = {message_info(3, 1, 0), {0}};
        sender->thread->buffer->caps_or_badges[0] = reply;
        (void)actor_step(sender, SYSCALL_SEND, endpoint, 0, &m);
        actor_start(sender);
        actor_start(a);
        NOTE(numbers[i]);
        EQUAL(message_info_capabilities(actor_result(a, 0)->m.info), 1);
        CHECK(slot_is_used(slot));
    }
}

CASE(caps_need_grant, "Each of the 32 sets of rights: capabilities cross with RIGHT_GRANT only, the message always")
{
    cptr given = object_new(OBJECT_NOTIFICATION, 0);
    struct actor *a = taker(SYSCALL_RECV);
    for (word rights = 0; rights <= RIGHT_ALL; rights++) {
        if (!(rights & RIGHT_SEND))
            continue;
        cptr to = minted(endpoint, rights, 0);
        actor_reset(a);
        (void)actor_step(a, SYSCALL_RECV, endpoint, reply, NULL);
        actor_start(a);
        own_buffer->caps_or_badges[0] = given;
        send_capabilities(to, 1);
        NOTE(rights);
        bool granted = rights & RIGHT_GRANT;
        EQUAL(actor_result(a, 0)->m.info, message_info(3, granted, 2));
        EQUAL(slot_is_used(slot), granted);
        if (granted)
            OK(cnode_delete(ROOT_CNODE, slot));
    }
}

CASE(caps_in_answer, "An answer carries capabilities if the reply capability has RIGHT_GRANT")
{
    for (unsigned grants = 0; grants < 2; grants++) {
        setup();
        slot = slot_new();
        cptr used = slot_new();
        OK(cnode_copy(ROOT_CNODE, used, ROOT_CNODE, reply, grants ? RIGHT_GRANT : RIGHT_ALL & ~RIGHT_GRANT));
        struct actor *client = actor_new(PRIORITY_HIGH, 0, 0);
        (void)actor_step(client, SYSCALL_CALL, endpoint, 0, NULL);
        client->thread->buffer->receive_cnode = ROOT_CNODE;
        client->thread->buffer->receive_index = slot;
        actor_start(client);
        struct message m;
        word badge;
        OK(syscall_recv(endpoint, used, &m, &badge));
        own_buffer->caps_or_badges[0] = endpoint;
        m = (struct message){message_info(1, 1, 0), {0}};
        OK(syscall_send(used, &m));
        EQUAL(actor_result(client, 0)->m.info, message_info(1, grants, 0));
        EQUAL(slot_is_used(slot), grants);
    }
}

CASE(caps_stop_at_first,
     "Passing ends at the first capability that is missing, cannot be copied or finds its slot in use")
{
    for (unsigned reason = 0; reason < 4; reason++) {
        struct actor *a = taker(SYSCALL_RECV);
        own_buffer->caps_or_badges[0] = own_buffer->caps_or_badges[1] = own_buffer->caps_or_badges[2] = reply;
        if (reason == 0)
            own_buffer->caps_or_badges[1] = slot_new();
        else if (reason == 1)
            own_buffer->caps_or_badges[1] = ROOT_IRQ_CONTROL;
        else if (reason == 2)
            OK(cnode_copy(ROOT_CNODE, slot + 1, ROOT_CNODE, ROOT_TCB, RIGHT_ALL));
        else
            own_buffer->caps_or_badges[1] = 0;
        actor_start(a);
        send_capabilities(endpoint, 3);
        NOTE(reason);
        EQUAL(actor_result(a, 0)->m.info, message_info(3, 1, 2));
        CHECK(slot_is_used(slot) && !slot_is_used(slot + 2));
        EQUAL(slot_is_used(slot + 1), reason == 2);
    }
}

CASE(caps_refused_place,
     "A receive slot outside, at index 0, or in something that is no CNode refuses, the message comes")
{
    for (unsigned reason = 0; reason < 5; reason++) {
        struct actor *a = taker(SYSCALL_RECV);
        static const word indices[] = {0, 1 << ROOT_CNODE_BITS, ~0ul};
        if (reason < 3)
            a->thread->buffer->receive_index = indices[reason];
        else
            a->thread->buffer->receive_cnode = reason == 3 ? ROOT_TCB : 0;
        own_buffer->caps_or_badges[0] = reply;
        actor_start(a);
        send_capabilities(endpoint, 1);
        NOTE(reason);
        EQUAL(actor_result(a, 0)->m.info, message_info(3, 0, 2));
        EQUAL(actor_result(a, 0)->m.words[0], 11);
    }
}

CASE(caps_unwrapped, "Capabilities to the endpoint itself are unwrapped among others: badges, bits, and no slot used")
{
    struct actor *a = taker(SYSCALL_RECV);
    cptr one = minted(endpoint, RIGHT_ALL, 0x11), three = minted(endpoint, 0, 0x33);
    own_buffer->caps_or_badges[0] = one;
    own_buffer->caps_or_badges[1] = reply;
    own_buffer->caps_or_badges[2] = three;
    a->thread->buffer->caps_or_badges[1] = 77;
    actor_start(a);
    send_capabilities(endpoint, 3);
    EQUAL(actor_result(a, 0)->m.info, message_info(3, 3, 2) | 5ul << 9);
    EQUAL(a->thread->buffer->caps_or_badges[0], 0x11);
    EQUAL(a->thread->buffer->caps_or_badges[2], 0x33);
    CHECK(slot_is_used(slot) && !slot_is_used(slot + 1));
}

CASE(caps_not_unwrapped, "Another endpoint's capability is not unwrapped, nor is the endpoint's own in an answer")
{
    struct actor *a = taker(SYSCALL_RECV);
    own_buffer->caps_or_badges[0] = minted(object_new(OBJECT_ENDPOINT, 0), RIGHT_ALL, 9);
    actor_start(a);
    send_capabilities(endpoint, 1);
    EQUAL(actor_result(a, 0)->m.info, message_info(3, 1, 2));
    CHECK(slot_is_used(slot));
}

CASE(caps_kinds, "Untypeds in use cannot be sent; frames and tables arrive unmapped; rights and badge stay")
{
    cptr frame, untyped = object_new(OBJECT_UNTYPED, 13);
    (void)memory_new(PAGE_BITS, &frame);
    OK(untyped_retype_all(untyped, OBJECT_ENDPOINT, 0, ROOT_CNODE, slot_new(), 1));
    struct actor *a = taker(SYSCALL_RECV);
    own_buffer->caps_or_badges[0] = frame;
    own_buffer->caps_or_badges[1] = untyped;
    actor_start(a);
    send_capabilities(endpoint, 2);
    EQUAL(actor_result(a, 0)->m.info, message_info(3, 1, 2));
    map_page(ROOT_VSPACE, slot, HARNESS_MAP_BASE, RIGHT_READ, 0); /* mapped nowhere as yet */
    CHECK(!slot_is_used(slot + 1));
}

CASE(caps_revoked_with_sender,
     "A capability that came in a message is derived from the sender's: revoking there takes it away")
{
    struct actor *a = taker(SYSCALL_RECV);
    cptr given = object_new(OBJECT_NOTIFICATION, 0);
    own_buffer->caps_or_badges[0] = given;
    actor_start(a);
    send_capabilities(endpoint, 1);
    CHECK(slot_is_used(slot));
    OK(cnode_revoke(ROOT_CNODE, given));
    CHECK(!slot_is_used(slot));
}
