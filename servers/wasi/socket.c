/* WASIX's sockets (module wasix_32v1) on the net server (proto/net.h): how they begin, listen and connect.
 * docs/network.md.
 *
 * What waits, waits in a stream. A connection becomes an FD_STREAM like any other once it stands; until then, and for
 * listeners and datagrams, a descriptor is an FD_SOCKET. A listener whose net server has died is opened anew in the
 * next one when it is looked at.
 */
#include "proto/service.h"
#include "socket.h"
#include "tessera/text.h"

enum { STATUS_OPENING = 0, STATUS_OPENED, STATUS_CLOSED, STATUS_FAILED };

static cptr endpoint; /* of the net server; 0: not opened yet */

/* ---- the session --------------------------------------------------------------------------------------------- */

/* Waits until there is a net server. */
static uint32_t session_open(void)
{
    struct message m = {0};
    uint32_t error = process_call(PROCESS_NET_OPEN, &m, 0);
    if (!error)
        endpoint = (cptr)m.words[0];
    return error;
}

uint32_t net_call(uint64_t operation, struct message *m)
{
    const struct message request = *m;
    for (uint32_t attempt = 0; attempt < 2; attempt++) {
        uint32_t error = endpoint && attempt == 0 ? ESUCCESS : session_open();
        if (error)
            return error;
        *m = request;
        m->info = message_info(operation, 0, MESSAGE_REGISTERS);
        if (syscall_call(endpoint, m) == ERROR_NONE && !(message_info_label(m->info) & SERVICE_STATUS_SYSTEM))
            return (uint32_t)message_info_label(m->info);
    }
    return ENETDOWN;
}

/* ---- addresses ----------------------------------------------------------------------------------------------- */

uint32_t address_get(uint32_t from, uint32_t family, struct net_address *to)
{
    struct wasix_address_port address;
    if (!in_memory(from, sizeof(address)))
        return EFAULT;
    memcpy(&address, at(from), sizeof(address));
    *to = (struct net_address){.family = address.family, .port = address.port};
    memcpy(to->address, address.address, address.family == NET_FAMILY_4 ? 4 : 16);
    if (address.family == NET_FAMILY_NONE)
        return ESUCCESS;
    bool is_known = address.family == NET_FAMILY_4 || address.family == NET_FAMILY_6;
    return !is_known || (family == NET_FAMILY_4 && address.family == NET_FAMILY_6) ? EAFNOSUPPORT : ESUCCESS;
}

/* A socket for IPv6 shows peers with IPv4 addresses as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). */
void address_put(const struct net_address *from, uint32_t family, uint32_t to)
{
    struct wasix_address_port address = {.family = from->family, .port = from->port};
    if (family == NET_FAMILY_6 && from->family == NET_FAMILY_4) {
        address.family = NET_FAMILY_6;
        address.address[10] = address.address[11] = 0xff;
        memcpy(address.address + 12, from->address, 4);
    } else {
        memcpy(address.address, from->address, from->family == NET_FAMILY_4 ? 4 : 16);
    }
    memcpy(at(to), &address, sizeof(address));
}

/* ---- descriptors --------------------------------------------------------------------------------------------- */

uint32_t socket_get(uint32_t fd, struct descriptor **descriptor)
{
    *descriptor = descriptor_get(fd);
    if (!*descriptor)
        return EBADF;
    return (*descriptor)->socket.state == SOCKET_NONE ? ENOTSOCK : ESUCCESS;
}

static void stream_attach(uint32_t fd, const struct message *m, enum socket_state state)
{
    struct process_stream stream;
    struct descriptor *descriptor = descriptor_at(fd);
    message_get(m, 0, &stream, sizeof(stream));
    descriptor_open_stream(fd, &stream);
    descriptor->kind = state == SOCKET_CONNECTED ? FD_STREAM : FD_SOCKET;
    descriptor->socket.state = (uint8_t)state;
    descriptor->ends.holds = descriptor->socket.holds;
    descriptor->ends.follows = descriptor->socket.kind == NET_KIND_TCP;
}

bool socket_has_stream(const struct descriptor *descriptor)
{
    return descriptor->socket.state >= SOCKET_LISTENING;
}

void socket_close(const struct descriptor *descriptor)
{
    struct message m = {0, {descriptor->socket.number}};
    if (descriptor->socket.state == SOCKET_BOUND)
        (void)net_call(NET_CLOSE, &m);
}

uint32_t WASIX(sock_open)(uint32_t family, uint32_t type, uint32_t protocol, uint32_t to)
{
    uint32_t fd;
    if (!in_memory(to, 4))
        return EFAULT;
    if (family != NET_FAMILY_4 && family != NET_FAMILY_6)
        return EAFNOSUPPORT;
    if (type != WASIX_STREAM && type != WASIX_DATAGRAM)
        return EPROTOTYPE;
    if (protocol && protocol != (type == WASIX_STREAM ? WASIX_PROTOCOL_TCP : WASIX_PROTOCOL_UDP))
        return EPROTONOSUPPORT;
    uint32_t error = endpoint ? ESUCCESS : session_open();
    if (error || (error = descriptor_take(&fd)))
        return error;
    if (fd >= DESCRIPTORS_STREAM)
        return EMFILE;
    struct descriptor *descriptor = descriptor_at(fd);
    descriptor->kind = FD_SOCKET;
    descriptor->socket.state = SOCKET_FRESH;
    descriptor->socket.family = (uint8_t)family;
    descriptor->socket.kind = type == WASIX_STREAM ? NET_KIND_TCP : NET_KIND_UDP;
    memcpy(at(to), &fd, sizeof(fd));
    return ESUCCESS;
}

static uint32_t socket_bind(struct descriptor *descriptor, const struct net_address *address)
{
    struct message m = {0, {descriptor->socket.kind, 0, 0, 0, descriptor->socket.only_6 ? NET_BIND_ONLY_6 : 0}};
    message_put(&m, 1, address, sizeof(*address));
    uint32_t error = net_call(NET_BIND, &m);
    if (error)
        return error;
    descriptor->socket.number = m.words[0];
    descriptor->socket.state = SOCKET_BOUND;
    message_get(&m, 1, &descriptor->socket.own, sizeof(descriptor->socket.own));
    if (descriptor->socket.receive_bytes) {
        m = (struct message){0,
                             {descriptor->socket.number, NET_OPTION_RECEIVE_BYTES, descriptor->socket.receive_bytes}};
        (void)net_call(NET_SET, &m);
    }
    return ESUCCESS;
}

uint32_t socket_open_stream(uint32_t fd, enum socket_state state)
{
    struct descriptor *descriptor = descriptor_at(fd);
    struct message m = {0, {descriptor->socket.number}};
    uint32_t error = net_call(NET_OPEN, &m);
    if (!error)
        stream_attach(fd, &m, state);
    return error;
}

uint32_t WASIX(sock_bind)(uint32_t fd, uint32_t address)
{
    struct descriptor *descriptor;
    struct net_address own;
    uint32_t error = socket_get(fd, &descriptor);
    if (error || (error = address_get(address, descriptor->socket.family, &own)))
        return error;
    if (descriptor->socket.state != SOCKET_FRESH || own.family == NET_FAMILY_NONE)
        return EINVAL;
    descriptor->socket.has_port = own.port != 0;
    error = socket_bind(descriptor, &own);
    return error || descriptor->socket.kind == NET_KIND_TCP ? error : socket_open_stream(fd, SOCKET_DATAGRAM);
}

uint32_t socket_bind_any(struct descriptor *descriptor)
{
    struct net_address any = {.family = descriptor->socket.family};
    return descriptor->socket.state == SOCKET_FRESH ? socket_bind(descriptor, &any) : ESUCCESS;
}

uint32_t WASIX(sock_listen)(uint32_t fd, uint32_t backlog)
{
    struct descriptor *descriptor;
    uint32_t error = socket_get(fd, &descriptor);
    (void)backlog; /* the net server has one for all */
    if (error)
        return error;
    if (descriptor->socket.kind != NET_KIND_TCP)
        return ENOTSUP;
    if (descriptor->socket.state == SOCKET_LISTENING)
        return ESUCCESS;
    if (descriptor->socket.state > SOCKET_BOUND)
        return EINVAL;
    error = socket_bind_any(descriptor);
    return error ? error : socket_open_stream(fd, SOCKET_LISTENING);
}

/* ---- listeners that are there from the start ------------------------------------------------------------------ */

#define PREOPEN_VARIABLE "LISTEN_TCP="

/* At that port, for both versions of IP. */
static void listener_preopen(uint16_t port)
{
    struct net_address own = {.family = NET_FAMILY_6, .port = port};
    uint32_t fd;
    if (descriptor_take(&fd) || fd >= DESCRIPTORS_STREAM)
        return;
    struct descriptor *descriptor = descriptor_at(fd);
    descriptor->kind = FD_SOCKET;
    descriptor->socket.state = SOCKET_FRESH;
    descriptor->socket.family = NET_FAMILY_6;
    descriptor->socket.kind = NET_KIND_TCP;
    descriptor->socket.has_port = true;
    if (socket_bind(descriptor, &own) || socket_open_stream(fd, SOCKET_LISTENING)) /* the log says why */
        descriptor_close(fd);
}

/* For programs that know preview 1 only, which cannot open any: ports by commas in the environment. */
void sockets_preopen(void)
{
    const char *text = (const char *)start_page + start_page->environment.offset;
    size_t prefix = sizeof(PREOPEN_VARIABLE) - 1;
    for (uint32_t i = 0; i < start_page->environment.count; i++, text += text_length(text) + 1) {
        if (text_length(text) < prefix || memcmp(text, PREOPEN_VARIABLE, prefix) != 0)
            continue;
        uint32_t port = 0;
        for (const char *at = text + prefix;; at++) {
            if (*at >= '0' && *at <= '9' && port <= UINT16_MAX) {
                port = port * 10 + (uint32_t)(*at - '0');
                continue;
            }
            if (port > 0 && port <= UINT16_MAX)
                listener_preopen((uint16_t)port);
            port = 0;
            if (*at != ',')
                return;
        }
    }
}

/* ---- after the net server's death ------------------------------------------------------------------------------ */

uint32_t socket_open_again(uint32_t fd)
{
    struct descriptor *descriptor = descriptor_at(fd);
    enum socket_state state = (enum socket_state)descriptor->socket.state;
    struct net_address own = descriptor->socket.own;
    bool is_any = state == SOCKET_DATAGRAM && !descriptor->socket.has_port;
    if (is_any)
        own.port = 0;
    if (is_any || descriptor->socket.is_connected)
        descriptor->socket.error = ENETDOWN;
    descriptor_stream_drop(descriptor);
    descriptor->socket.heard = descriptor->socket.asked = (struct net_address){0};
    descriptor->socket.state = SOCKET_FRESH;
    descriptor->socket.is_connected = false;
    uint32_t error = socket_bind(descriptor, &own);
    if (!error)
        error = socket_open_stream(fd, state);
    if (error)
        descriptor->socket.state = SOCKET_FAILED;
    return error;
}

uint32_t socket_error_take(struct descriptor *descriptor)
{
    uint32_t error = descriptor->socket.error;
    descriptor->socket.error = 0;
    return error;
}

bool socket_is_lost(struct descriptor *descriptor)
{
    bool is_open = descriptor->socket.state == SOCKET_LISTENING || descriptor->socket.state == SOCKET_DATAGRAM;
    return is_open && stream_at_end(&descriptor->ends);
}

/* ---- accepting ----------------------------------------------------------------------------------------------- */

/* Takes away what announced connections that are gone. */
static void announcements_drop(struct descriptor *descriptor, uint32_t count)
{
    bool signal = false;
    stream_skip(&descriptor->ends, count, &signal);
    if (signal)
        stream_signal(descriptor);
}

uint32_t socket_accept(uint32_t fd, uint32_t flags, uint32_t *accepted)
{
    struct message m;
    for (;;) {
        struct descriptor *listener = descriptor_at(fd);
        uint32_t error = ESUCCESS;
        if (listener->socket.state != SOCKET_LISTENING)
            return EINVAL;
        if (socket_is_lost(listener) && (error = socket_open_again(fd)))
            return error;
        uint32_t announced = stream_readable(&listener->ends);
        m = (struct message){0, {listener->socket.number}};
        error = announced ? net_call(NET_ACCEPT, &m) : EAGAIN;
        if (!error) {
            announcements_drop(listener, 1);
            break;
        }
        if (error != EAGAIN && error != EBADF)
            return error;
        announcements_drop(listener, announced);
        if (error == EBADF && (error = socket_open_again(fd)))
            return error;
        if (listener->flags & FDFLAG_NONBLOCK)
            return EAGAIN;
        if (error && announced) /* who was there has gone: polling may have said so, and nobody else may come */
            return ECONNABORTED;
        if (!stream_wait(listener, false))
            return EAGAIN;
    }
    struct process_stream stream;
    message_get(&m, 0, &stream, sizeof(stream));
    uint32_t error = stream_descriptor(&stream, accepted);
    if (error)
        return error;
    struct descriptor *descriptor = descriptor_at(*accepted);
    descriptor->flags = (uint16_t)flags;
    descriptor->socket.state = SOCKET_CONNECTED;
    descriptor->socket.kind = NET_KIND_TCP;
    descriptor->socket.family = descriptor_at(fd)->socket.family;
    descriptor->socket.number = m.words[7];
    descriptor->socket.holds = descriptor->ends.holds = descriptor_at(fd)->socket.holds;
    descriptor->ends.follows = true;
    return ESUCCESS;
}

static uint32_t address_of(const struct descriptor *descriptor, bool is_peer, struct net_address *address)
{
    struct message m = {0, {descriptor->socket.number, is_peer}};
    uint32_t error = net_call(NET_ADDRESS, &m);
    if (!error)
        message_get(&m, 0, address, sizeof(*address));
    return error == EBADF ? ENOTCONN : error;
}

uint32_t WASIX(sock_accept_v2)(uint32_t fd, uint32_t flags, uint32_t to, uint32_t peer)
{
    struct descriptor *descriptor;
    struct net_address address = {0};
    uint32_t accepted = 0, error = socket_get(fd, &descriptor);
    if (error && !(descriptor && descriptor->kind == FD_LISTENER))
        return error;
    if (flags & ~(uint32_t)FDFLAG_NONBLOCK)
        return EINVAL;
    if (!in_memory(to, 4) || !in_memory(peer, sizeof(struct wasix_address_port)))
        return EFAULT;
    if (descriptor->kind == FD_LISTENER) { /* of a channel, whose peers have no addresses */
        address_put(&address, NET_FAMILY_NONE, peer);
        return WASI(sock_accept)(fd, flags, to);
    }
    error = socket_accept(fd, flags, &accepted);
    if (error)
        return error;
    memcpy(at(to), &accepted, sizeof(accepted));
    (void)address_of(descriptor_at(accepted), true, &address); /* it may have gone already */
    address_put(&address, descriptor_at(fd)->socket.family, peer);
    return ESUCCESS;
}

/* ---- connecting ---------------------------------------------------------------------------------------------- */

void socket_connect_follow(struct descriptor *descriptor)
{
    struct net_result result = {ECONNABORTED};
    bool signal = false;
    if (descriptor->socket.state != SOCKET_CONNECTING)
        return;
    if (stream_readable(&descriptor->ends) >= sizeof(result)) {
        while (stream_read(&descriptor->ends, &result, sizeof(result), &signal) == 0 && stream_follow_ring(descriptor))
            ;
        descriptor->socket.error = (uint16_t)result.error;
    } else if (stream_at_end(&descriptor->ends)) {
        descriptor->socket.error = ECONNABORTED; /* the net server died */
    } else {
        return;
    }
    descriptor->socket.state = descriptor->socket.error ? SOCKET_REFUSED : SOCKET_CONNECTED;
    if (descriptor->socket.state == SOCKET_CONNECTED)
        descriptor->kind = FD_STREAM;
}

static uint32_t connect_datagram(uint32_t fd, const struct net_address *peer)
{
    struct descriptor *descriptor = descriptor_at(fd);
    uint32_t error = socket_bind_any(descriptor);
    if (!error && descriptor->socket.state == SOCKET_BOUND)
        error = socket_open_stream(fd, SOCKET_DATAGRAM);
    if (error)
        return error;
    struct message m = {0, {descriptor->socket.number, NET_KIND_UDP}};
    message_put(&m, 2, peer, sizeof(*peer));
    error = net_call(NET_CONNECT, &m);
    if (!error)
        descriptor->socket.is_connected = peer->family != NET_FAMILY_NONE;
    return error;
}

static uint32_t connect_stream(uint32_t fd, const struct net_address *peer)
{
    struct descriptor *descriptor = descriptor_at(fd);
    struct message m = {0, {descriptor->socket.state == SOCKET_BOUND ? descriptor->socket.number : 0, NET_KIND_TCP}};
    message_put(&m, 2, peer, sizeof(*peer));
    m.words[5] = descriptor->socket.receive_bytes;
    uint32_t error = net_call(NET_CONNECT, &m);
    if (error)
        return error;
    descriptor->socket.number = m.words[7];
    stream_attach(fd, &m, SOCKET_CONNECTING);
    if (descriptor->flags & FDFLAG_NONBLOCK)
        return EINPROGRESS;
    for (socket_connect_follow(descriptor); descriptor->socket.state == SOCKET_CONNECTING;
         socket_connect_follow(descriptor))
        if (!stream_wait(descriptor, false))
            return EINPROGRESS;
    return socket_error_take(descriptor);
}

uint32_t WASIX(sock_connect)(uint32_t fd, uint32_t address)
{
    struct descriptor *descriptor;
    struct net_address peer;
    uint32_t error = socket_get(fd, &descriptor);
    if (error || (error = address_get(address, descriptor->socket.family, &peer)))
        return error;
    if (descriptor->socket.kind == NET_KIND_UDP)
        return connect_datagram(fd, &peer);
    socket_connect_follow(descriptor);
    switch ((enum socket_state)descriptor->socket.state) {
    case SOCKET_FRESH:
    case SOCKET_BOUND:
        return peer.family == NET_FAMILY_NONE ? EAFNOSUPPORT : connect_stream(fd, &peer);
    case SOCKET_CONNECTING:
        return EALREADY;
    case SOCKET_CONNECTED:
        return EISCONN;
    default:
        return EINVAL;
    }
}

/* ---- addresses and state ------------------------------------------------------------------------------------- */

static uint32_t address_tell(uint32_t fd, uint32_t to, bool is_peer)
{
    struct descriptor *descriptor;
    struct net_address address;
    uint32_t error = socket_get(fd, &descriptor);
    if (error)
        return error;
    if (!in_memory(to, sizeof(struct wasix_address_port)))
        return EFAULT;
    address = (struct net_address){.family = descriptor->socket.family};
    if (descriptor->socket.state == SOCKET_BOUND || descriptor->socket.state == SOCKET_LISTENING)
        address = descriptor->socket.own;
    else if (descriptor->socket.state != SOCKET_FRESH)
        error = address_of(descriptor, is_peer, &address);
    if (is_peer && descriptor->socket.state != SOCKET_CONNECTED && descriptor->socket.state != SOCKET_DATAGRAM)
        error = ENOTCONN;
    if (!error)
        address_put(&address, descriptor->socket.family, to);
    return error;
}

uint32_t WASIX(sock_addr_local)(uint32_t fd, uint32_t address)
{
    return address_tell(fd, address, false);
}

uint32_t WASIX(sock_addr_peer)(uint32_t fd, uint32_t address)
{
    return address_tell(fd, address, true);
}

uint32_t WASIX(sock_status)(uint32_t fd, uint32_t status)
{
    struct descriptor *descriptor;
    uint32_t error = socket_get(fd, &descriptor);
    uint8_t value = STATUS_OPENED;
    if (error)
        return error;
    if (!in_memory(status, 1))
        return EFAULT;
    socket_connect_follow(descriptor);
    if (descriptor->socket.state == SOCKET_CONNECTING)
        value = STATUS_OPENING;
    if (descriptor->socket.state == SOCKET_REFUSED || descriptor->socket.state == SOCKET_FAILED)
        value = STATUS_FAILED;
    if (descriptor->socket.state == SOCKET_CONNECTED && stream_at_end(&descriptor->ends))
        value = STATUS_CLOSED;
    memcpy(at(status), &value, sizeof(value));
    return ESUCCESS;
}
