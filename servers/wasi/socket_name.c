/* Names, by WASIX's resolve: the net server's resolver answers in a stream. */
#include "socket.h"

#define RESOLVE_MAX 64u

struct wasix_address {
    uint8_t family, pad;
    uint8_t address[16];
};
_Static_assert(sizeof(struct wasix_address) == 18, "as in WASIX");

/* One question, in a stream that is there for its name alone. */
static void question_put(struct descriptor *descriptor, const char *name, uint32_t length, uint32_t family)
{
    struct net_question question = {.bytes = length, .family = family};
    bool signal = false;
    (void)stream_write(&descriptor->ends, &question, sizeof(question), &signal);
    (void)stream_write(&descriptor->ends, name, length, &signal);
    if (signal)
        stream_signal(descriptor);
}

static bool bytes_wait(struct descriptor *descriptor, uint32_t bytes)
{
    while (stream_readable(&descriptor->ends) < bytes) {
        if (stream_at_end(&descriptor->ends))
            return false;
        (void)stream_wait(descriptor, false);
    }
    return true;
}

static uint32_t answer_take(struct descriptor *descriptor, struct net_address *found, uint32_t *count)
{
    struct net_answer answer;
    bool signal = false;
    *count = 0;
    if (!bytes_wait(descriptor, sizeof(answer)))
        return EAGAIN;
    (void)stream_read(&descriptor->ends, &answer, sizeof(answer), &signal);
    if (answer.count > NET_ANSWER_MAX || !bytes_wait(descriptor, answer.count * (uint32_t)sizeof(*found)))
        return EAGAIN;
    *count = answer.count;
    (void)stream_read(&descriptor->ends, found, *count * (uint32_t)sizeof(*found), &signal);
    return answer.error <= UINT16_MAX ? answer.error : EIO;
}

/* Both families are asked for at once. An error when there is no address at all: the one that says more. */
static uint32_t ask(struct descriptor *descriptor, const char *name, uint32_t length, struct net_address *found,
                    uint32_t *count)
{
    uint32_t error = ENOENT;
    *count = 0;
    question_put(descriptor, name, length, NET_FAMILY_4);
    question_put(descriptor, name, length, NET_FAMILY_6);
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t more, failed = answer_take(descriptor, found + *count, &more);
        *count += more;
        if (failed && failed != ENOENT)
            error = failed;
    }
    return *count ? ESUCCESS : error;
}

/* IPv4's first: there is not always a way for the others. */
static uint32_t family_put(const struct net_address *found, uint32_t count, uint32_t family, uint32_t to, uint32_t room)
{
    uint32_t put = 0;
    for (uint32_t i = 0; i < count && put < room; i++) {
        struct wasix_address address = {.family = found[i].family};
        if (found[i].family != family)
            continue;
        memcpy(address.address, found[i].address, family == NET_FAMILY_4 ? 4 : 16);
        memcpy(at(to + put++ * (uint32_t)sizeof(address)), &address, sizeof(address));
    }
    return put;
}

uint32_t WASIX(resolve)(uint32_t host, uint32_t length, uint32_t port, uint32_t addresses, uint32_t room,
                        uint32_t count)
{
    char name[NET_NAME_MAX];
    struct net_address found[2 * NET_ANSWER_MAX];
    struct message m = {0};
    struct process_stream stream;
    uint32_t fd, found_count = 0;
    (void)port;
    if (!in_memory(host, length) || !in_memory(addresses, (uint64_t)room * sizeof(struct wasix_address)) ||
        !in_memory(count, 4))
        return EFAULT;
    if (length == 0 || length > sizeof(name) || room == 0 || room > RESOLVE_MAX)
        return EINVAL;
    memcpy(name, at(host), length);
    uint32_t error = net_call(NET_RESOLVER, &m);
    if (error)
        return error;
    message_get(&m, 0, &stream, sizeof(stream));
    if ((error = stream_descriptor(&stream, &fd)))
        return error;
    error = ask(descriptor_at(fd), name, length, found, &found_count);
    descriptor_close(fd);
    if (error)
        return error;
    uint32_t put = family_put(found, found_count, NET_FAMILY_4, addresses, room);
    put += family_put(found, found_count, NET_FAMILY_6, addresses + put * (uint32_t)sizeof(struct wasix_address),
                      room - put);
    memcpy(at(count), &put, sizeof(put));
    return ESUCCESS;
}
