/* Data of WASIX's sockets: datagrams, which wait in a stream with their heads, connections, and polling both. */
#include <stdatomic.h>

#include "socket.h"

#define RECEIVE_PEEK      1u
#define RECEIVE_TRUNCATED 1u

/* ---- datagrams ----------------------------------------------------------------------------------------------- */

/* The head of the datagram that is whole; false: there is none. What the net server writes is believed as far as its
 * own death: nonsense counts as that. */
static bool datagram_head(struct descriptor *descriptor, struct net_datagram *head)
{
    struct stream *stream = &descriptor->ends;
    uint32_t readable = stream_readable(stream);
    if (readable < sizeof(*head))
        return false;
    (void)stream_peek(stream, head, sizeof(*head));
    stream->is_broken |= head->bytes > NET_DATAGRAM_MAX;
    return !stream->is_broken && readable >= sizeof(*head) + head->bytes;
}

static uint32_t datagram_receive(uint32_t fd, uint32_t iovs, uint32_t count, bool peek, uint32_t *done,
                                 struct net_datagram *head)
{
    struct descriptor *descriptor = descriptor_at(fd);
    bool signal = false;
    *done = 0;
    while (!datagram_head(descriptor, head)) {
        uint32_t error = socket_is_lost(descriptor) ? socket_open_again(fd) : ESUCCESS;
        if (error || (error = socket_error_take(descriptor)))
            return error;
        if ((descriptor->flags & FDFLAG_NONBLOCK) || !stream_wait(descriptor, false))
            return EAGAIN;
    }
    /* A copy of our side of the stream reads without telling the peer. */
    struct stream stream = descriptor->ends;
    stream.tail += (uint32_t)sizeof(*head);
    for (uint32_t i = 0; i < count && *done < head->bytes; i++) {
        struct vector vector = vector_at(iovs, i);
        uint32_t part = vector.length < head->bytes - *done ? vector.length : head->bytes - *done;
        if (!in_memory(vector.address, vector.length))
            break;
        (void)stream_peek(&stream, at(vector.address), part);
        stream.tail += part;
        *done += part;
    }
    descriptor->socket.heard = head->peer;
    if (!peek)
        stream_skip(&descriptor->ends, (uint32_t)sizeof(*head) + head->bytes, &signal);
    if (signal)
        stream_signal(descriptor);
    return ESUCCESS;
}

/* The net server drops what may not be sent, so it is asked first; not when this answers the last datagram, which who
 * has a port of its own may, nor for the same peer again. */
static uint32_t peer_check(struct descriptor *descriptor, const struct net_address *peer)
{
    if ((descriptor->socket.has_port && memcmp(peer, &descriptor->socket.heard, sizeof(*peer)) == 0) ||
        memcmp(peer, &descriptor->socket.asked, sizeof(*peer)) == 0)
        return ESUCCESS;
    struct message m = {0, {descriptor->socket.number}};
    message_put(&m, 1, peer, sizeof(*peer));
    uint32_t error = net_call(NET_MAY_SEND, &m);
    if (!error)
        descriptor->socket.asked = *peer;
    return error == EBADF ? ENETDOWN : error; /* there is another net server since */
}

static uint32_t datagram_send(uint32_t fd, uint32_t iovs, uint32_t count, uint32_t total,
                              const struct net_address *peer, uint32_t *done)
{
    struct descriptor *descriptor = descriptor_at(fd);
    struct net_datagram head = {.peer = *peer, .bytes = total};
    bool signal = false;
    *done = 0;
    uint32_t error = socket_bind_any(descriptor);
    if (!error && descriptor->socket.state == SOCKET_BOUND)
        error = socket_open_stream(fd, SOCKET_DATAGRAM);
    if (error)
        return error;
    if (socket_is_lost(descriptor) && (error = socket_open_again(fd)))
        return error;
    error = socket_error_take(descriptor); /* who is told where to now needs no other peer */
    if (peer->family == NET_FAMILY_NONE && !descriptor->socket.is_connected)
        return error ? error : EDESTADDRREQ;
    if (total > NET_DATAGRAM_MAX)
        return EMSGSIZE;
    if (peer->family != NET_FAMILY_NONE && (error = peer_check(descriptor, peer)))
        return error;
    while (stream_writable(&descriptor->ends) < sizeof(head) + total) {
        if ((descriptor->flags & FDFLAG_NONBLOCK) || !stream_wait(descriptor, true))
            return EAGAIN;
        if (stream_is_refused(&descriptor->ends))
            return ENETDOWN;
    }
    (void)stream_write(&descriptor->ends, &head, sizeof(head), &signal);
    for (uint32_t i = 0; i < count; i++) {
        struct vector vector = vector_at(iovs, i);
        uint32_t part = vector.length < total - *done ? vector.length : total - *done; /* it may have changed */
        if (in_memory(vector.address, part))
            *done += stream_write(&descriptor->ends, at(vector.address), part, &signal);
    }
    static const uint8_t nothing[16];
    while (*done < total) /* vectors that shrank meanwhile */
        *done += stream_write(&descriptor->ends, nothing, total - *done < 16 ? total - *done : 16, &signal);
    if (signal)
        stream_signal(descriptor);
    return ESUCCESS;
}

/* ---- data ---------------------------------------------------------------------------------------------------- */

static uint32_t state_error(struct descriptor *descriptor)
{
    socket_connect_follow(descriptor);
    if (descriptor->socket.state == SOCKET_CONNECTING)
        return EAGAIN;
    return descriptor->socket.kind == NET_KIND_TCP && descriptor->kind != FD_STREAM ? ENOTCONN : ESUCCESS;
}

uint32_t socket_read(uint32_t fd, uint32_t iovs, uint32_t count, bool peek, uint32_t *done)
{
    struct descriptor *descriptor = descriptor_at(fd);
    struct net_datagram head;
    uint32_t error = state_error(descriptor);
    if (error)
        return error;
    if (descriptor->kind == FD_STREAM)
        return stream_transfer_in(descriptor, iovs, count, peek, done);
    return descriptor->socket.state == SOCKET_DATAGRAM ? datagram_receive(fd, iovs, count, peek, done, &head)
                                                       : ENOTCONN;
}

uint32_t socket_write(uint32_t fd, uint32_t iovs, uint32_t count, uint32_t total, uint32_t *done)
{
    static const struct net_address nobody;
    uint32_t error = state_error(descriptor_at(fd));
    if (error)
        return error;
    return descriptor_at(fd)->kind == FD_STREAM ? stream_transfer_out(descriptor_at(fd), iovs, count, done)
                                                : datagram_send(fd, iovs, count, total, &nobody, done);
}

uint32_t socket_end_error(const struct descriptor *descriptor)
{
    uint32_t closed = atomic_load_explicit(&descriptor->ends.peer->closed, memory_order_relaxed);
    bool is_reset =
        descriptor->socket.state == SOCKET_CONNECTED && (closed & (STREAM_CLOSED_RESET | STREAM_CLOSED_DIED));
    return is_reset ? ECONNRESET : ESUCCESS;
}

uint32_t WASIX(sock_recv_from)(uint32_t fd, uint32_t iovs, uint32_t count, uint32_t flags, uint32_t done,
                               uint32_t out_flags, uint32_t peer)
{
    struct descriptor *descriptor = descriptor_get(fd);
    struct net_datagram head = {0};
    uint32_t total, moved = 0, error;
    if (!descriptor)
        return EBADF;
    if (descriptor->kind != FD_STREAM && (error = socket_get(fd, &descriptor)))
        return error;
    if ((error = vectors_check(iovs, count, &total)))
        return error;
    if (flags & ~RECEIVE_PEEK)
        return EINVAL;
    if (!in_memory(done, 4) || !in_memory(out_flags, 2) || !in_memory(peer, sizeof(struct wasix_address_port)))
        return EFAULT;
    if (descriptor->socket.state == SOCKET_DATAGRAM)
        error = datagram_receive(fd, iovs, count, flags & RECEIVE_PEEK, &moved, &head);
    else if (total > 0)
        error = socket_read(fd, iovs, count, flags & RECEIVE_PEEK, &moved);
    if (error)
        return error;
    uint16_t result = head.bytes > moved ? RECEIVE_TRUNCATED : 0;
    memcpy(at(done), &moved, sizeof(moved));
    memcpy(at(out_flags), &result, sizeof(result));
    address_put(&head.peer, head.peer.family ? descriptor->socket.family : NET_FAMILY_NONE, peer);
    return ESUCCESS;
}

uint32_t WASIX(sock_send_to)(uint32_t fd, uint32_t iovs, uint32_t count, uint32_t flags, uint32_t address,
                             uint32_t done)
{
    struct descriptor *descriptor = descriptor_get(fd);
    struct net_address peer;
    uint32_t total, moved = 0, error;
    if (!descriptor)
        return EBADF;
    if (descriptor->kind != FD_STREAM && (error = socket_get(fd, &descriptor)))
        return error;
    if ((error = vectors_check(iovs, count, &total)) ||
        (error = address_get(address, descriptor->socket.family, &peer)))
        return error;
    if (flags)
        return EINVAL;
    if (!in_memory(done, 4))
        return EFAULT;
    if (peer.family == NET_FAMILY_NONE || descriptor->socket.kind == NET_KIND_TCP)
        error = socket_write(fd, iovs, count, total, &moved);
    else
        error = datagram_send(fd, iovs, count, total, &peer, &moved);
    if (!error)
        memcpy(at(done), &moved, sizeof(moved));
    return error;
}

/* ---- polling ------------------------------------------------------------------------------------------------- */

bool socket_is_ready(uint32_t fd, bool is_write, uint64_t *bytes, bool *is_hung)
{
    struct descriptor *descriptor = descriptor_at(fd);
    struct net_datagram head;
    socket_connect_follow(descriptor);
    if (socket_is_lost(descriptor) && socket_open_again(fd))
        *is_hung = true;
    switch ((enum socket_state)descriptor->socket.state) {
    case SOCKET_LISTENING:
        *bytes = stream_readable(&descriptor->ends);
        return !is_write && *bytes > 0;
    case SOCKET_CONNECTING:
        return false;
    case SOCKET_DATAGRAM:
        if (is_write)
            *bytes = stream_writable(&descriptor->ends) > sizeof(head) ? NET_DATAGRAM_MAX : 0;
        else if (datagram_head(descriptor, &head))
            *bytes = head.bytes ? head.bytes : 1;
        else
            *bytes = descriptor->socket.error != 0;
        return *bytes > 0;
    default: /* nothing will ever come of it as it is */
        *is_hung = true;
        return true;
    }
}
