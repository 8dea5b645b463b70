/* Options of WASIX's sockets: what the library knows itself, and what the net server does. */
#include "socket.h"

enum {
    OPTION_REUSE_PORT = 1,
    OPTION_REUSE_ADDRESS = 2,
    OPTION_NO_DELAY = 3,
    OPTION_ONLY_V6 = 5,
    OPTION_BROADCAST = 6,
    OPTION_LISTENING = 10,
    OPTION_LAST_ERROR = 11,
    OPTION_KEEP_ALIVE = 12,
    OPTION_LINGER = 13,
    OPTION_RECEIVE_BUFFER = 15,
    OPTION_SEND_BUFFER = 16,
    OPTION_RECEIVE_TIME = 19,
    OPTION_SEND_TIME = 20,
    OPTION_TTL = 23,
    OPTION_TYPE = 25,
    OPTION_PROTOCOL = 26,
    /* Ours: WASIX has none of these. */
    OPTION_HOLD = 0x7401,
    OPTION_KEEP_IDLE,
    OPTION_KEEP_INTERVAL,
    OPTION_KEEP_COUNT,
};

struct wasix_time {
    uint8_t is_some, pad[7];
    uint64_t ns;
};
_Static_assert(sizeof(struct wasix_time) == 16, "as in WASIX");

static uint32_t option_of(uint32_t option)
{
    switch (option) {
    case OPTION_NO_DELAY:
        return NET_OPTION_NO_DELAY;
    case OPTION_KEEP_ALIVE:
        return NET_OPTION_KEEP_ALIVE;
    case OPTION_BROADCAST:
        return NET_OPTION_BROADCAST;
    case OPTION_TTL:
        return NET_OPTION_TTL;
    case OPTION_KEEP_IDLE:
        return NET_OPTION_KEEP_IDLE;
    case OPTION_KEEP_INTERVAL:
        return NET_OPTION_KEEP_INTERVAL;
    case OPTION_KEEP_COUNT:
        return NET_OPTION_KEEP_COUNT;
    default:
        return 0;
    }
}

/* Options of the net server need a socket there. */
static uint32_t option_pass(struct descriptor *descriptor, uint32_t option, uint64_t *value, bool is_set)
{
    uint32_t error = socket_bind_any(descriptor);
    if (error)
        return error;
    struct message m = {0, {descriptor->socket.number, option, *value}};
    error = net_call(is_set ? NET_SET : NET_GET, &m);
    *value = m.words[0];
    return error;
}

/* A listener's is that of its connections. */
static uint32_t option_hold(struct descriptor *descriptor, uint64_t *value, bool is_set)
{
    if (descriptor->socket.kind != NET_KIND_TCP)
        return ENOPROTOOPT;
    if (is_set) {
        hold_release();
        descriptor->socket.holds = *value != 0;
        if (descriptor->kind == FD_STREAM)
            descriptor->ends.holds = *value != 0;
    }
    *value = descriptor->socket.holds;
    return ESUCCESS;
}

/* Of a connection it grows, as far as memory goes; it is known to the net server once that has the socket. */
static uint32_t option_receive_buffer(struct descriptor *descriptor, uint64_t *value, bool is_set)
{
    uint32_t *wish = &descriptor->socket.receive_bytes, bytes = STREAM_RING_BYTES;
    if (descriptor->socket.kind != NET_KIND_TCP) {
        *value = bytes;
        return ESUCCESS;
    }
    while (is_set && bytes < *value && bytes < STREAM_RING_MOST)
        bytes *= 2;
    if (is_set)
        *value = *wish = bytes;
    if (descriptor->socket.state != SOCKET_FRESH)
        return option_pass(descriptor, NET_OPTION_RECEIVE_BYTES, value, is_set);
    *value = *wish ? *wish : bytes;
    return ESUCCESS;
}

/* What the library knows itself; ENOPROTOOPT: it does not. */
static uint32_t option_own(struct descriptor *descriptor, uint32_t option, uint64_t *value, bool is_set)
{
    bool is_tcp = descriptor->socket.kind == NET_KIND_TCP;
    switch (option) {
    case OPTION_REUSE_ADDRESS:
    case OPTION_REUSE_PORT:
        *value = 1; /* ports are free as soon as nobody listens */
        return ESUCCESS;
    case OPTION_ONLY_V6:
        if (is_set && descriptor->socket.state != SOCKET_FRESH)
            return EINVAL;
        descriptor->socket.only_6 = is_set ? *value != 0 : descriptor->socket.only_6;
        *value = descriptor->socket.only_6;
        return ESUCCESS;
    case OPTION_HOLD:
        return option_hold(descriptor, value, is_set);
    case OPTION_RECEIVE_BUFFER:
        return option_receive_buffer(descriptor, value, is_set);
    case OPTION_SEND_BUFFER:
        *value = STREAM_RING_BYTES; /* as it is, whatever is wished for */
        return ESUCCESS;
    case OPTION_LISTENING:
        *value = descriptor->socket.state == SOCKET_LISTENING;
        break;
    case OPTION_LAST_ERROR:
        socket_connect_follow(descriptor);
        *value = socket_error_take(descriptor);
        break;
    case OPTION_TYPE:
        *value = is_tcp ? WASIX_STREAM : WASIX_DATAGRAM;
        break;
    case OPTION_PROTOCOL:
        *value = is_tcp ? WASIX_PROTOCOL_TCP : WASIX_PROTOCOL_UDP;
        break;
    default:
        return ENOPROTOOPT;
    }
    return is_set ? ENOPROTOOPT : ESUCCESS;
}

static uint32_t option(uint32_t fd, uint32_t number, uint64_t *value, bool is_set)
{
    struct descriptor *descriptor;
    uint32_t error = socket_get(fd, &descriptor), passed = option_of(number);
    if (error)
        return error;
    return passed ? option_pass(descriptor, passed, value, is_set) : option_own(descriptor, number, value, is_set);
}

uint32_t WASIX(sock_set_opt_flag)(uint32_t fd, uint32_t number, uint32_t flag)
{
    uint64_t value = flag != 0;
    return option(fd, number, &value, true);
}

uint32_t WASIX(sock_get_opt_flag)(uint32_t fd, uint32_t number, uint32_t flag)
{
    uint64_t value = 0;
    if (!in_memory(flag, 1))
        return EFAULT;
    uint32_t error = option(fd, number, &value, false);
    uint8_t byte = value != 0;
    if (!error)
        memcpy(at(flag), &byte, 1);
    return error;
}

uint32_t WASIX(sock_set_opt_size)(uint32_t fd, uint32_t number, uint64_t size)
{
    return option(fd, number, &size, true);
}

uint32_t WASIX(sock_get_opt_size)(uint32_t fd, uint32_t number, uint32_t size)
{
    uint64_t value = 0;
    if (!in_memory(size, 8))
        return EFAULT;
    uint32_t error = option(fd, number, &value, false);
    if (!error)
        memcpy(at(size), &value, sizeof(value));
    return error;
}

/* Of times there are how long blocking may last, and lingering, of which none at all means a reset: closing never
 * waits. */
static uint64_t *time_of(struct descriptor *descriptor, uint32_t number)
{
    return number == OPTION_RECEIVE_TIME ? &descriptor->socket.receive_ns
           : number == OPTION_SEND_TIME  ? &descriptor->socket.send_ns
                                         : NULL;
}

uint32_t WASIX(sock_set_opt_time)(uint32_t fd, uint32_t number, uint32_t time)
{
    struct descriptor *descriptor;
    struct wasix_time wanted;
    uint32_t error = socket_get(fd, &descriptor);
    if (error)
        return error;
    if (!in_memory(time, sizeof(wanted)))
        return EFAULT;
    memcpy(&wanted, at(time), sizeof(wanted));
    uint64_t *limit_ns = time_of(descriptor, number), resets = wanted.is_some && wanted.ns == 0;
    if (limit_ns) {
        if (wanted.is_some && !deadline_possible())
            return ENOMEM;
        *limit_ns = wanted.is_some ? wanted.ns : 0;
        return ESUCCESS;
    }
    if (number != OPTION_LINGER || descriptor->socket.kind != NET_KIND_TCP)
        return ENOPROTOOPT;
    return option_pass(descriptor, NET_OPTION_RESET, &resets, true);
}

uint32_t WASIX(sock_get_opt_time)(uint32_t fd, uint32_t number, uint32_t time)
{
    struct descriptor *descriptor;
    struct wasix_time value = {0};
    uint64_t resets = 0;
    uint32_t error = socket_get(fd, &descriptor);
    if (error)
        return error;
    if (!in_memory(time, sizeof(value)))
        return EFAULT;
    const uint64_t *limit_ns = time_of(descriptor, number);
    if (limit_ns)
        value.ns = *limit_ns;
    else if (number != OPTION_LINGER || descriptor->socket.kind != NET_KIND_TCP)
        error = ENOPROTOOPT;
    else
        error = option_pass(descriptor, NET_OPTION_RESET, &resets, false);
    value.is_some = resets || value.ns;
    if (!error)
        memcpy(at(time), &value, sizeof(value));
    return error;
}
