/* UDP. In both rings: struct net_datagram, then its bytes. What has no room in the client's ring is dropped, as UDP
 * may. */
#include "net.h"
#include "lwip/udp.h"
#include "tessera/heap.h"
#include "tessera/share.h"
#include "tessera/text.h"

static void peer_note(struct socket *socket, const ip_addr_t *address, uint16_t port)
{
    if (!socket->peers && !(socket->peers = heap_take(DATAGRAM_PEERS * sizeof(*socket->peers))))
        return;
    for (uint32_t i = 0; i < DATAGRAM_PEERS && i < socket->peer_count; i++)
        if (socket->peers[i].port == port && ip_addr_cmp(&socket->peers[i].address, address))
            return;
    struct net_peer *peer = &socket->peers[socket->peer_count % DATAGRAM_PEERS];
    peer->address = *address;
    peer->port = port;
    socket->peer_count =
        (uint16_t)(socket->peer_count + 1 < 2 * DATAGRAM_PEERS ? socket->peer_count + 1 : DATAGRAM_PEERS);
}

bool datagram_may_send(struct socket *socket, const ip_addr_t *address, uint16_t port)
{
    for (uint32_t i = 0; socket->may_answer && socket->peers && i < DATAGRAM_PEERS && i < socket->peer_count; i++)
        if (socket->peers[i].port == port && ip_addr_cmp(&socket->peers[i].address, address))
            return true;
    return client_may(socket->client, PROCESS_NET_CONNECT, NET_KIND_UDP, address, port);
}

static void on_received(void *argument, struct udp_pcb *pcb, struct pbuf *pbuf, const ip_addr_t *from, u16_t port)
{
    struct socket *socket = argument;
    struct net_datagram head = {.bytes = pbuf->tot_len < NET_DATAGRAM_MAX ? pbuf->tot_len : NET_DATAGRAM_MAX};
    bool signal = false;
    (void)pcb;
    if (socket->has_stream && stream_writable(&socket->stream) >= sizeof(head) + head.bytes) {
        address_write(from, port, &head.peer);
        if (socket->may_answer)
            peer_note(socket, from, port);
        (void)stream_write(&socket->stream, &head, sizeof(head), &signal);
        uint32_t left = head.bytes;
        for (const struct pbuf *part = pbuf; part && left > 0; part = part->next)
            left -= stream_write(&socket->stream, part->payload, part->len < left ? part->len : left, &signal);
        if (signal)
            socket_signal(socket);
    }
    pbuf_free(pbuf);
}

uint32_t datagram_bind(struct socket *socket, const ip_addr_t *address, uint16_t port, uint32_t flags)
{
    bool is_dual = IP_IS_V6_VAL(*address) && ip_addr_isany_val(*address) && !(flags & NET_BIND_ONLY_6);
    if (!net_share(socket->client->party, SHARE_DATAGRAMS))
        return NET_ENOBUFS;
    socket->udp = udp_new_ip_type(is_dual ? IPADDR_TYPE_ANY : IP_GET_TYPE(address));
    if (!socket->udp) {
        share_give(socket->client->party, SHARE_DATAGRAMS);
        return NET_ENOBUFS;
    }
    udp_recv(socket->udp, on_received, socket);
    const ip_addr_t *own = is_dual ? IP_ANY_TYPE : address;
    return errno_of(port ? udp_bind(socket->udp, own, port) : datagram_port_take(socket->udp, own));
}

uint32_t datagram_connect(struct socket *socket, const ip_addr_t *address, uint16_t port)
{
    if (!address) {
        udp_disconnect(socket->udp);
        return NET_OK;
    }
    return errno_of(udp_connect(socket->udp, address, port));
}

/* One that was peeked at: its bytes leave the ring in any case. When the client has taken them back meanwhile, what lay
 * in the packet's memory before is not sent in their place. */
static void datagram_send(struct socket *socket, const struct net_datagram *head, bool *signal)
{
    ip_addr_t address;
    uint16_t port = head->peer.port;
    bool is_named = address_read(&head->peer, &address), is_connected = socket->udp->flags & UDP_FLAGS_CONNECTED;
    struct pbuf *pbuf = NULL;
    bool may = is_named ? datagram_may_send(socket, &address, port) : is_connected;
    if (may && neighbour_may_ask(socket->client->party, is_named ? &address : &socket->udp->remote_ip))
        pbuf = pbuf_alloc(PBUF_TRANSPORT, (u16_t)head->bytes, PBUF_RAM);
    if (!pbuf) {
        stream_skip(&socket->stream, head->bytes, signal);
        return;
    }
    bool is_whole = stream_read(&socket->stream, pbuf->payload, head->bytes, signal) == head->bytes;
    if (is_whole && is_named)
        (void)udp_sendto(socket->udp, pbuf, &address, port);
    else if (is_whole)
        (void)udp_send(socket->udp, pbuf);
    pbuf_free(pbuf);
}

#define AT_A_TIME 16u

/* Whole datagrams of the client's, as many as may go now; true: one is there that cannot be. */
static bool datagrams_send(struct socket *socket, bool *signal)
{
    struct net_datagram head;
    for (uint32_t count = 0;; count++) {
        if (count == AT_A_TIME || output_is_busy()) {
            output_wait(socket);
            return false;
        }
        uint32_t readable = stream_readable(&socket->stream);
        if (stream_peek(&socket->stream, &head, sizeof(head)) == sizeof(head)) {
            if (head.bytes > NET_DATAGRAM_MAX)
                return true;
            if (readable >= sizeof(head) + head.bytes) {
                stream_skip(&socket->stream, sizeof(head), signal);
                datagram_send(socket, &head, signal);
                continue;
            }
        }
        (void)stream_ask_data(&socket->stream);
        if (stream_readable(&socket->stream) == readable)
            return false;
    }
}

void datagram_advance(struct socket *socket)
{
    bool signal = false, is_nonsense = datagrams_send(socket, &signal);
    if (signal)
        socket_signal(socket);
    if (is_nonsense || (atomic_load(&socket->stream.peer->closed) & STREAM_CLOSED_READ) || socket->stream.is_broken)
        datagram_close(socket);
}

void datagram_close(struct socket *socket)
{
    if (socket->udp) {
        udp_remove(socket->udp);
        share_give(socket->client->party, SHARE_DATAGRAMS);
    }
    socket->udp = NULL;
    socket_stream_close(socket, 0);
    socket_free(socket);
}

uint32_t datagram_option(struct socket *socket, uint32_t option, uint64_t *value, bool is_set)
{
    struct udp_pcb *pcb = socket->udp;
    switch (option) {
    case NET_OPTION_TTL:
        if (is_set && (*value == 0 || *value > 255))
            return NET_EINVAL;
        pcb->ttl = is_set ? (u8_t)*value : pcb->ttl;
        *value = pcb->ttl;
        return NET_OK;
    case NET_OPTION_BROADCAST:
        if (is_set && *value)
            ip_set_option(pcb, SOF_BROADCAST);
        else if (is_set)
            ip_reset_option(pcb, SOF_BROADCAST);
        *value = ip_get_option(pcb, SOF_BROADCAST) != 0;
        return NET_OK;
    default:
        return NET_ENOPROTOOPT;
    }
}
