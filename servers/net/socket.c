/* Sockets by number, and what clients ask of them. */
#include "net.h"
#include "lwip/err.h"
#include "lwip/netif.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"
#include "tessera/clock.h"
#include "tessera/heap.h"
#include "tessera/server.h"
#include "tessera/share.h"
#include "tessera/text.h"

#define SLOT_BITS  16
#define RELAXED_NS 200000u /* a program that computes and does not wait has its data sent after so long */

static struct socket *sockets[SOCKETS];
static uint32_t next_slot;
static uint64_t next_serial;
static struct socket *queue;
static struct socket *relaxed;
static uint64_t relaxed_until; /* ticks; 0: nobody is */

uint32_t errno_of(int8_t lwip_error)
{
    switch (lwip_error) {
    case ERR_OK:
        return NET_OK;
    case ERR_MEM:
    case ERR_BUF:
        return NET_ENOBUFS;
    case ERR_TIMEOUT:
    case ERR_ABRT:
        return NET_ETIMEDOUT;
    case ERR_RTE:
        return NET_ENETUNREACH;
    case ERR_USE:
        return NET_EADDRINUSE;
    case ERR_ISCONN:
    case ERR_ALREADY:
        return NET_EISCONN;
    case ERR_RST:
        return NET_ECONNRESET;
    default:
        return NET_EINVAL;
    }
}

/* ---- by number ----------------------------------------------------------------------------------------------- */

uint32_t socket_make(struct client *client, enum net_kind kind, struct socket **made)
{
    if (client->socket_count == CLIENT_SOCKETS)
        return NET_EMFILE;
    if (!net_share(client->party, SHARE_SOCKETS))
        return NET_ENOBUFS;
    struct socket *socket = heap_take(sizeof(*socket));
    if (!socket) {
        share_give(client->party, SHARE_SOCKETS);
        return NET_ENOMEM;
    }
    while (sockets[next_slot]) /* one is free, or there was no share */
        next_slot = (next_slot + 1) % SOCKETS;
    if (next_serial == 0) /* no number of a net server before this one */
        next_serial = net_page->start_ticks & ((1ul << 46) - 1);
    *socket =
        (struct socket){.number = ++next_serial << SLOT_BITS | next_slot, .client = client, .kind = (uint8_t)kind};
    client->socket_count++;
    *made = sockets[next_slot] = socket;
    next_slot = (next_slot + 1) % SOCKETS;
    return NET_OK;
}

struct socket *socket_of(uint64_t number)
{
    struct socket *socket = sockets[(number & ((1u << SLOT_BITS) - 1)) % SOCKETS];
    return socket && socket->number == number ? socket : NULL;
}

uint32_t sockets_count(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < SOCKETS; i++)
        count += sockets[i] != NULL;
    return count;
}

struct socket *socket_find(const struct client *client, uint64_t number)
{
    struct socket *socket = socket_of(number);
    return socket && socket->client == client && socket->state != SOCKET_PENDING ? socket : NULL;
}

void socket_queue(struct socket *socket)
{
    if (socket->is_queued)
        return;
    socket->is_queued = true;
    socket->next_queued = queue;
    queue = socket;
}

void sockets_settle(void)
{
    struct socket *socket;
    for (;;) {
        output_relieve();
        if (!(socket = queue))
            return;
        queue = socket->next_queued;
        socket->is_queued = false;
        socket_advance(socket);
    }
}

bool socket_ask_late(struct socket *socket)
{
    if (!socket->is_relaxed) {
        socket->is_relaxed = true;
        socket->next_relaxed = relaxed;
        relaxed = socket;
    }
    if (!relaxed_until)
        relaxed_until = clock_ticks() + clock_ticks_of(RELAXED_NS, net_page->timer_hz);
    return stream_ask_data_late(&socket->stream);
}

uint64_t sockets_relaxed_until(void)
{
    return relaxed_until;
}

void sockets_hurry(void)
{
    relaxed_until = 0;
    while (relaxed) {
        struct socket *socket = relaxed;
        relaxed = socket->next_relaxed;
        socket->is_relaxed = false;
        if (socket->has_stream && stream_ask_data(&socket->stream))
            socket_queue(socket);
    }
}

void socket_free(struct socket *socket)
{
    for (struct socket **at = &relaxed; socket->is_relaxed && *at; at = &(*at)->next_relaxed)
        if (*at == socket) {
            *at = socket->next_relaxed;
            break;
        }
    for (struct socket **at = &queue; socket->is_queued && *at; at = &(*at)->next_queued)
        if (*at == socket) {
            *at = socket->next_queued;
            break;
        }
    output_forget(socket);
    sockets[socket->number & ((1u << SLOT_BITS) - 1)] = NULL;
    socket->client->socket_count--;
    share_give(socket->client->party, SHARE_SOCKETS);
    if (socket->peers)
        heap_return(socket->peers, DATAGRAM_PEERS * sizeof(*socket->peers));
    heap_return(socket, sizeof(*socket));
}

void socket_close(struct socket *socket)
{
    if (socket->state == SOCKET_RESOLVER) {
        socket_stream_close(socket, 0);
        socket_free(socket);
    } else if (socket->kind == NET_KIND_UDP) {
        datagram_close(socket);
    } else {
        connection_close(socket);
    }
}

/* Those with a stream end with it: the process server has closed the client's side. */
void sockets_close_all(const struct client *client)
{
    for (uint32_t i = 0; i < SOCKETS; i++)
        if (sockets[i] && sockets[i]->client == client && sockets[i]->state != SOCKET_PENDING)
            socket_close(sockets[i]);
}

void socket_advance(struct socket *socket)
{
    if (socket->state == SOCKET_RESOLVER)
        resolver_advance(socket);
    else if (socket->kind == NET_KIND_UDP)
        datagram_advance(socket);
    else
        connection_advance(socket);
}

/* ---- requests ------------------------------------------------------------------------------------------------ */

static bool address_take(const struct message *m, unsigned at, struct net_address *out, ip_addr_t *address)
{
    message_get(m, at, out, sizeof(*out));
    return address_read(out, address);
}

static uint32_t own_address(const struct socket *socket, bool is_peer, struct net_address *out)
{
    if (socket->state == SOCKET_RESOLVER || !socket->tcp)
        return NET_ENOTCONN;
    bool is_tcp = socket->kind == NET_KIND_TCP;
    const ip_addr_t *address = is_tcp ? &socket->tcp->local_ip : &socket->udp->local_ip;
    uint16_t port = is_tcp ? socket->tcp->local_port : socket->udp->local_port;
    if (is_peer) {
        bool is_connected = is_tcp ? socket->state == SOCKET_CONNECTED : socket->udp->flags & UDP_FLAGS_CONNECTED;
        if (!is_connected)
            return NET_ENOTCONN;
        address = is_tcp ? &socket->tcp->remote_ip : &socket->udp->remote_ip;
        port = is_tcp ? socket->tcp->remote_port : socket->udp->remote_port;
    }
    address_write(address, port, out);
    return NET_OK;
}

static uint32_t bind_request(struct client *client, struct message *m)
{
    struct net_address wanted;
    ip_addr_t address;
    word kind = m->words[0], flags = m->words[4];
    if (kind >= NET_KIND_COUNT || (flags & ~(word)NET_BIND_ONLY_6))
        return NET_EINVAL;
    if (!address_take(m, 1, &wanted, &address))
        return NET_EAFNOSUPPORT;
    if (wanted.port && !client_may(client, PROCESS_NET_LISTEN, (enum net_kind)kind, &address, wanted.port))
        return NET_ENOTCAPABLE;
    struct socket *socket;
    uint32_t error = socket_make(client, (enum net_kind)kind, &socket);
    if (error)
        return error;
    socket->is_bound = socket->may_answer = wanted.port != 0;
    error = kind == NET_KIND_TCP ? connection_bind(socket, &address, wanted.port, (uint32_t)flags)
                                 : datagram_bind(socket, &address, wanted.port, (uint32_t)flags);
    if (!error)
        error = own_address(socket, false, &wanted);
    if (error) {
        socket_close(socket);
        return error;
    }
    m->words[0] = socket->number;
    message_put(m, 1, &wanted, sizeof(wanted));
    return NET_OK;
}

static uint32_t open_request(struct client *client, struct message *m)
{
    struct process_stream description;
    struct socket *socket = socket_find(client, m->words[0]);
    if (!socket)
        return NET_EBADF;
    if (socket->has_stream || socket->state != SOCKET_BOUND || !socket->tcp)
        return NET_EINVAL;
    if (socket->kind == NET_KIND_TCP && !socket->is_bound &&
        !client_may(client, PROCESS_NET_LISTEN, NET_KIND_TCP, &socket->tcp->local_ip, socket->tcp->local_port))
        return NET_ENOTCAPABLE;
    uint32_t error = socket_stream_open(socket, &description);
    if (error)
        return error;
    if (socket->kind == NET_KIND_TCP && (error = connection_listen(socket))) {
        socket_stream_close(socket, 0);
        return error;
    }
    if (socket->kind == NET_KIND_UDP) {
        socket->state = SOCKET_DATAGRAM;
        datagram_advance(socket);
    }
    message_put(m, 0, &description, sizeof(description));
    return NET_OK;
}

/* The socket that a connection begins from: a bound one, or a new one bound to any port. */
static uint32_t connect_socket(struct client *client, uint64_t number, enum net_kind kind, const ip_addr_t *peer,
                               struct socket **socket)
{
    if (number) {
        *socket = socket_find(client, number);
        bool is_any = *socket && (*socket)->kind == kind && (*socket)->state != SOCKET_RESOLVER && (*socket)->tcp;
        return !*socket ? NET_EBADF : is_any ? NET_OK : NET_EINVAL;
    }
    const ip_addr_t *any = IP_IS_V6(peer) ? IP6_ADDR_ANY : IP4_ADDR_ANY;
    uint32_t error = socket_make(client, kind, socket);
    if (error)
        return error;
    error = kind == NET_KIND_TCP ? connection_bind(*socket, any, 0, 0) : datagram_bind(*socket, any, 0, 0);
    if (error)
        socket_close(*socket);
    return error;
}

/* lwIP takes any peer; it is to be of the version that the socket is bound to, and of TCP one host. */
static uint32_t peer_check(const struct socket *socket, const ip_addr_t *peer)
{
    bool is_tcp = socket->kind == NET_KIND_TCP;
    const ip_addr_t *own = is_tcp ? &socket->tcp->local_ip : &socket->udp->local_ip;
    if (!IP_IS_ANY_TYPE_VAL(*own) && IP_GET_TYPE(own) != IP_GET_TYPE(peer))
        return NET_EAFNOSUPPORT;
    bool is_many = ip_addr_isany(peer) || ip_addr_ismulticast(peer) ||
                   (!IP_IS_V6(peer) && netif_default && ip4_addr_isbroadcast(ip_2_ip4(peer), netif_default));
    return is_tcp && is_many ? NET_ENETUNREACH : NET_OK;
}

static uint32_t connect_request(struct client *client, struct message *m)
{
    struct net_address wanted;
    struct process_stream description = {0};
    struct socket *socket;
    ip_addr_t peer;
    word number = m->words[0], kind = m->words[1];
    if (kind >= NET_KIND_COUNT)
        return NET_EINVAL;
    bool dissolves = false;
    if (!address_take(m, 2, &wanted, &peer)) {
        dissolves = kind == NET_KIND_UDP && wanted.family == NET_FAMILY_NONE && number;
        if (!dissolves)
            return NET_EAFNOSUPPORT;
    }
    if (!dissolves && !client_may(client, PROCESS_NET_CONNECT, (enum net_kind)kind, &peer, wanted.port))
        return NET_ENOTCAPABLE;
    uint32_t error = connect_socket(client, number, (enum net_kind)kind, &peer, &socket);
    if (error)
        return error;
    bool is_new = !socket->has_stream;
    if (kind == NET_KIND_TCP && m->words[5])
        (void)window_wish(socket, m->words[5]);
    if (kind == NET_KIND_TCP && socket->state != SOCKET_BOUND)
        return NET_EISCONN;
    if (!dissolves)
        error = peer_check(socket, &peer);
    if (!error && is_new && (error = socket_stream_open(socket, &description)) == NET_OK && kind == NET_KIND_UDP)
        socket->state = SOCKET_DATAGRAM;
    if (!error)
        error = kind == NET_KIND_TCP ? connection_connect(socket, &peer, wanted.port)
                                     : datagram_connect(socket, dissolves ? NULL : &peer, wanted.port);
    if (error) {
        if (is_new)
            socket_close(socket);
        return error;
    }
    message_put(m, 0, &description, sizeof(description));
    m->words[7] = socket->number;
    return NET_OK;
}

static uint32_t accept_request(struct client *client, struct message *m)
{
    struct process_stream description;
    struct socket *listener = socket_find(client, m->words[0]), *accepted;
    if (!listener)
        return NET_EBADF;
    if (listener->state != SOCKET_LISTENING)
        return NET_EINVAL;
    uint32_t error = connection_accept(listener, &accepted, &description);
    if (error)
        return error;
    message_put(m, 0, &description, sizeof(description));
    m->words[7] = accepted->number;
    return NET_OK;
}

static uint32_t address_request(struct client *client, struct message *m)
{
    struct net_address address;
    const struct socket *socket = socket_find(client, m->words[0]);
    if (!socket)
        return NET_EBADF;
    uint32_t error = own_address(socket, m->words[1] == 1, &address);
    if (!error)
        message_put(m, 0, &address, sizeof(address));
    return error;
}

static uint32_t option_request(struct client *client, struct message *m, bool is_set)
{
    struct socket *socket = socket_find(client, m->words[0]);
    uint32_t option = m->words[1] <= NET_OPTION_RECEIVE_BYTES ? (uint32_t)m->words[1] : 0;
    uint64_t value = is_set ? m->words[2] : 0;
    if (!socket)
        return NET_EBADF;
    if (!socket->tcp || socket->state == SOCKET_RESOLVER)
        return NET_EINVAL;
    uint32_t error = socket->kind == NET_KIND_TCP ? connection_option(socket, option, &value, is_set)
                                                  : datagram_option(socket, option, &value, is_set);
    m->words[0] = value;
    return error;
}

static uint32_t resolver_request(struct client *client, struct message *m)
{
    struct process_stream description;
    struct socket *socket;
    uint32_t error = socket_make(client, NET_KIND_UDP, &socket);
    if (error)
        return error;
    socket->state = SOCKET_RESOLVER;
    error = socket_stream_open(socket, &description);
    if (error) {
        socket_free(socket);
        return error;
    }
    resolver_advance(socket);
    message_put(m, 0, &description, sizeof(description));
    return NET_OK;
}

static uint32_t close_request(struct client *client, const struct message *m)
{
    struct socket *socket = socket_find(client, m->words[0]);
    if (!socket)
        return NET_EBADF;
    if (socket->has_stream)
        return NET_EINVAL;
    socket_close(socket);
    return NET_OK;
}

static uint32_t may_send_request(struct client *client, const struct message *m)
{
    struct net_address wanted;
    ip_addr_t peer;
    struct socket *socket = socket_find(client, m->words[0]);
    if (!socket)
        return NET_EBADF;
    if (socket->kind != NET_KIND_UDP || !address_take(m, 1, &wanted, &peer))
        return NET_EINVAL;
    return datagram_may_send(socket, &peer, wanted.port) ? NET_OK : NET_ENOTCAPABLE;
}

void socket_request(struct client *client, struct message *m)
{
    uint32_t error;
    switch (message_info_label(m->info)) {
    case NET_BIND:
        error = bind_request(client, m);
        break;
    case NET_OPEN:
        error = open_request(client, m);
        break;
    case NET_CONNECT:
        error = connect_request(client, m);
        break;
    case NET_ACCEPT:
        error = accept_request(client, m);
        break;
    case NET_ADDRESS:
        error = address_request(client, m);
        break;
    case NET_SET:
    case NET_GET:
        error = option_request(client, m, message_info_label(m->info) == NET_SET);
        break;
    case NET_CLOSE:
        error = close_request(client, m);
        break;
    case NET_MAY_SEND:
        error = may_send_request(client, m);
        break;
    case NET_RESOLVER:
        error = resolver_request(client, m);
        break;
    default:
        error = NET_ENOSYS;
    }
    m->info = message_info(error, 0, error ? 0 : MESSAGE_REGISTERS);
}
