/* WASIX's sockets (module wasix_32v1) on the net server (proto/net.h). docs/network.md.
 *
 * What waits, waits in a stream. A connection becomes an FD_STREAM like any other once it stands; until then, and for
 * listeners and datagrams, a descriptor is an FD_SOCKET. A listener whose net server has died is opened anew in the
 * next one when it is looked at.
 *
 * Names, layouts and numbers: wasix-libc, wasi/api_wasix.h.
 */
#include <stdatomic.h>

#include "imports.h"
#include "proto/net.h"
#include "proto/service.h"
#include "tessera/text.h"

enum { WASIX_STREAM = 1, WASIX_DATAGRAM = 2 };
enum { WASIX_PROTOCOL_TCP = 6, WASIX_PROTOCOL_UDP = 17 };
enum { STATUS_OPENING = 0, STATUS_OPENED, STATUS_CLOSED, STATUS_FAILED };
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
#define RECEIVE_PEEK      1u
#define RECEIVE_TRUNCATED 1u
#define RESOLVE_MAX       64u

struct wasix_address {
    uint8_t family, pad;
    uint8_t address[16];
};
struct wasix_address_port {
    uint8_t family, pad;
    uint16_t port;
    uint8_t address[16];
};
struct wasix_time {
    uint8_t is_some, pad[7];
    uint64_t ns;
};
_Static_assert(sizeof(struct wasix_address) == 18 && sizeof(struct wasix_address_port) == 20 &&
                   sizeof(struct wasix_time) == 16,
               "as in WASIX");

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

/* One request; a net server that has died is waited for, and asked instead, once. */
static uint32_t net_call(uint64_t operation, struct message *m)
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

static uint32_t address_get(uint32_t from, uint32_t family, struct net_address *to)
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
static void address_put(const struct net_address *from, uint32_t family, uint32_t to)
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

static uint32_t socket_get(uint32_t fd, struct descriptor **descriptor)
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

static uint32_t bind(struct descriptor *descriptor, const struct net_address *address)
{
    struct message m = {0, {descriptor->socket.kind, 0, 0, 0, descriptor->socket.only_6 ? NET_BIND_ONLY_6 : 0}};
    message_put(&m, 1, address, sizeof(*address));
    uint32_t error = net_call(NET_BIND, &m);
    if (error)
        return error;
    descriptor->socket.number = m.words[0];
    descriptor->socket.state = SOCKET_BOUND;
    message_get(&m, 1, &descriptor->socket.own, sizeof(descriptor->socket.own));
    return ESUCCESS;
}

/* Datagrams and listeners get their stream. */
static uint32_t open(uint32_t fd, enum socket_state state)
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
    error = bind(descriptor, &own);
    return error || descriptor->socket.kind == NET_KIND_TCP ? error : open(fd, SOCKET_DATAGRAM);
}

/* One that has no port gets any. */
static uint32_t bind_any(struct descriptor *descriptor)
{
    struct net_address any = {.family = descriptor->socket.family};
    return descriptor->socket.state == SOCKET_FRESH ? bind(descriptor, &any) : ESUCCESS;
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
    error = bind_any(descriptor);
    return error ? error : open(fd, SOCKET_LISTENING);
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
    if (bind(descriptor, &own) || open(fd, SOCKET_LISTENING)) /* the log says why */
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

/* The net server has died: the next one gets the socket. A datagram socket's peer is forgotten. */
static uint32_t open_again(uint32_t fd)
{
    struct descriptor *descriptor = descriptor_at(fd);
    enum socket_state state = (enum socket_state)descriptor->socket.state;
    struct net_address own = descriptor->socket.own;
    if (!descriptor->socket.has_port && state == SOCKET_DATAGRAM)
        own.port = 0;
    descriptor_stream_drop(descriptor);
    descriptor->socket.state = SOCKET_FRESH;
    descriptor->socket.is_connected = false;
    uint32_t error = bind(descriptor, &own);
    if (!error)
        error = open(fd, state);
    if (error)
        descriptor->socket.state = SOCKET_FAILED;
    return error;
}

static bool is_lost(struct descriptor *descriptor)
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
        if (is_lost(listener) && (error = open_again(fd)))
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
        if (error == EBADF && (error = open_again(fd)))
            return error;
        if ((listener->flags & FDFLAG_NONBLOCK) || !stream_wait(listener, false))
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

/* Looks whether connecting has come to an end. */
static void connecting_follow(struct descriptor *descriptor)
{
    struct net_result result;
    bool signal = false;
    if (descriptor->socket.state != SOCKET_CONNECTING)
        return;
    if (stream_readable(&descriptor->ends) >= sizeof(result)) {
        (void)stream_read(&descriptor->ends, &result, sizeof(result), &signal);
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
    uint32_t error = bind_any(descriptor);
    if (!error && descriptor->socket.state == SOCKET_BOUND)
        error = open(fd, SOCKET_DATAGRAM);
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
    uint32_t error = net_call(NET_CONNECT, &m);
    if (error)
        return error;
    descriptor->socket.number = m.words[7];
    stream_attach(fd, &m, SOCKET_CONNECTING);
    if (descriptor->flags & FDFLAG_NONBLOCK)
        return EINPROGRESS;
    for (connecting_follow(descriptor); descriptor->socket.state == SOCKET_CONNECTING; connecting_follow(descriptor))
        if (!stream_wait(descriptor, false))
            return EINPROGRESS;
    error = descriptor->socket.error;
    descriptor->socket.error = 0;
    return error;
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
    connecting_follow(descriptor);
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
    connecting_follow(descriptor);
    if (descriptor->socket.state == SOCKET_CONNECTING)
        value = STATUS_OPENING;
    if (descriptor->socket.state == SOCKET_REFUSED || descriptor->socket.state == SOCKET_FAILED)
        value = STATUS_FAILED;
    if (descriptor->socket.state == SOCKET_CONNECTED && stream_at_end(&descriptor->ends))
        value = STATUS_CLOSED;
    memcpy(at(status), &value, sizeof(value));
    return ESUCCESS;
}

/* ---- options ------------------------------------------------------------------------------------------------- */

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
    uint32_t error = bind_any(descriptor);
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
    case OPTION_SEND_BUFFER:
    case OPTION_RECEIVE_BUFFER:
        *value = STREAM_RING_BYTES; /* as it is, whatever is wished for */
        return ESUCCESS;
    case OPTION_LISTENING:
        *value = descriptor->socket.state == SOCKET_LISTENING;
        break;
    case OPTION_LAST_ERROR:
        connecting_follow(descriptor);
        *value = descriptor->socket.error;
        descriptor->socket.error = 0;
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
        uint32_t error = is_lost(descriptor) ? open_again(fd) : ESUCCESS;
        if (error)
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
    if (!peek)
        stream_skip(&descriptor->ends, (uint32_t)sizeof(*head) + head->bytes, &signal);
    if (signal)
        stream_signal(descriptor);
    return ESUCCESS;
}

static uint32_t datagram_send(uint32_t fd, uint32_t iovs, uint32_t count, uint32_t total,
                              const struct net_address *peer, uint32_t *done)
{
    struct descriptor *descriptor = descriptor_at(fd);
    struct net_datagram head = {.peer = *peer, .bytes = total};
    bool signal = false;
    *done = 0;
    uint32_t error = bind_any(descriptor);
    if (!error && descriptor->socket.state == SOCKET_BOUND)
        error = open(fd, SOCKET_DATAGRAM);
    if (error)
        return error;
    if (is_lost(descriptor) && (error = open_again(fd)))
        return error;
    if (peer->family == NET_FAMILY_NONE && !descriptor->socket.is_connected)
        return EDESTADDRREQ;
    if (total > NET_DATAGRAM_MAX)
        return EMSGSIZE;
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
    connecting_follow(descriptor);
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
    connecting_follow(descriptor);
    if (is_lost(descriptor) && open_again(fd))
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
        else
            *bytes = datagram_head(descriptor, &head) ? (head.bytes ? head.bytes : 1) : 0;
        return *bytes > 0;
    default: /* nothing will ever come of it as it is */
        *is_hung = true;
        return true;
    }
}

/* ---- names --------------------------------------------------------------------------------------------------- */

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
