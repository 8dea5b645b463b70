/* TCP: connections and listeners.
 *
 * The window that TCP offers is never larger than what the ring to the client has room for (window.c), so received data
 * goes into the ring at once and lwIP keeps none of it. From the client's ring data goes into
 * TCP as its queue has room. In lwIP's callbacks nothing is closed: what follows from them is done by
 * connection_advance when the round ends.
 */
#include "net.h"
#include "hooks.h"
#include "lookup.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"
#include "tessera/share.h"
#include "tessera/text.h"

static void callbacks_set(struct socket *socket);

/* ---- receiving ----------------------------------------------------------------------------------------------- */

/* Segments that came together, in one round, are acknowledged together: with what is sent, or when the round ends. */
void segment_acknowledge(struct tcp_pcb *pcb)
{
    struct socket *socket = pcb->callback_arg;
    if (!(pcb->flags & TF_ACK_DELAY)) {
        tcp_set_flags(pcb, TF_ACK_DELAY);
    } else if (!socket || !socket->has_stream) {
        tcp_clear_flags(pcb, TF_ACK_DELAY);
        tcp_ack_now(pcb);
    } else {
        socket->acknowledges = true;
        socket_queue(socket);
    }
}

static void acknowledgement_send(struct socket *socket)
{
    if (socket->acknowledges && (socket->tcp->flags & TF_ACK_DELAY)) {
        tcp_ack_now(socket->tcp);
        (void)tcp_output(socket->tcp);
    }
    socket->acknowledges = false;
}

static void end_received(struct socket *socket)
{
    socket->peer_has_ended = true;
    if (!socket->has_stream)
        return;
    stream_close(&socket->stream, STREAM_CLOSED_WRITE);
    socket_signal(socket);
}

static err_t on_received(void *argument, struct tcp_pcb *pcb, struct pbuf *pbuf, err_t error)
{
    struct socket *socket = argument;
    bool signal = false;
    (void)error;
    if (socket->state == SOCKET_PENDING && pbuf) {
        pending_hold(socket, pbuf_clen(pbuf));
        return ERR_MEM; /* lwIP keeps it until somebody accepts */
    }
    if (!pbuf) {
        end_received(socket);
        return ERR_OK;
    }
    if (stream_is_refused(&socket->stream)) { /* the client reads no more */
        tcp_recved(pcb, pbuf->tot_len);
        socket_queue(socket);
    } else {
        if (socket->wanted)
            window_grow(socket);
        for (const struct pbuf *part = pbuf; part; part = part->next)
            if (stream_write(&socket->stream, part->payload, part->len, &signal) < part->len)
                socket_queue(socket); /* it has broken the ring: advancing finds that out */
        socket->held += pbuf->tot_len;
        window_received(socket, pbuf->tot_len);
        window_follow(socket);
        window_keep_open(socket);
        if (stream_readable(&socket->stream) == 0 && socket_ask_late(socket))
            socket_queue(socket);
    }
    if (signal)
        socket_signal(socket);
    pbuf_free(pbuf);
    return ERR_OK;
}

/* ---- sending ------------------------------------------------------------------------------------------------- */

static err_t on_sent(void *argument, struct tcp_pcb *pcb, u16_t bytes)
{
    (void)pcb;
    (void)bytes;
    socket_queue(argument);
    return ERR_OK;
}

/* Where memory was short, nothing else may come. */
static err_t on_poll(void *argument, struct tcp_pcb *pcb)
{
    (void)pcb;
    socket_queue(argument);
    return ERR_OK;
}

/* ---- connecting ---------------------------------------------------------------------------------------------- */

static void result_tell(struct socket *socket, uint32_t error)
{
    struct net_result result = {error};
    bool signal = false;
    (void)stream_write(&socket->stream, &result, sizeof(result), &signal);
    if (signal)
        socket_signal(socket);
}

/* lwIP makes no segment longer than half of the largest window that it has seen: of a peer who offers two bytes, a
 * segment for each byte; and of one who offers one byte and then two it loses its way (tcp_write: "mss_local is too
 * small"). What does not fit a window is cut when it is sent. */
static void segments_whole(struct tcp_pcb *pcb)
{
    if (pcb->snd_wnd_max < 2 * TCP_MSS)
        pcb->snd_wnd_max = 2 * TCP_MSS;
}

static err_t on_connected(void *argument, struct tcp_pcb *pcb, err_t error)
{
    struct socket *socket = argument;
    (void)error; /* always good: a failure is on_failed's */
    segments_whole(pcb);
    socket->state = SOCKET_CONNECTED;
    window_measure(socket);
    window_grow(socket);
    result_tell(socket, NET_OK);
    socket_queue(socket);
    return ERR_OK;
}

static void pending_remove(struct socket *socket)
{
    struct socket **at = &socket->listener->pending;
    pending_release(socket);
    while (*at && *at != socket)
        at = &(*at)->next_pending;
    if (*at)
        *at = socket->next_pending;
    socket->listener->pending_count--;
}

/* lwIP has given the connection up, and freed its control block. */
static void on_failed(void *argument, err_t error)
{
    struct socket *socket = argument;
    if (!socket)
        return;
    socket->tcp = NULL;
    if (socket->state == SOCKET_PENDING) {
        pending_remove(socket);
        socket_free(socket);
        return;
    }
    if (!socket->has_stream) /* bound to an address that is gone: its program hears of it when it goes on */
        return;
    uint32_t how = STREAM_CLOSED_READ | STREAM_CLOSED_WRITE;
    if (socket->state == SOCKET_CONNECTING)
        result_tell(socket, error == ERR_RST ? NET_ECONNREFUSED : NET_ETIMEDOUT);
    else
        how |= STREAM_CLOSED_RESET;
    stream_close(&socket->stream, how);
    socket_signal(socket);
    socket_queue(socket);
}

static void callbacks_set(struct socket *socket)
{
    socket->window = TCP_WND;
    tcp_arg(socket->tcp, socket);
    tcp_recv(socket->tcp, on_received);
    tcp_sent(socket->tcp, on_sent);
    tcp_err(socket->tcp, on_failed);
    tcp_poll(socket->tcp, on_poll, 4);
}

static void callbacks_clear(struct tcp_pcb *pcb)
{
    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_sent(pcb, NULL);
    tcp_err(pcb, NULL);
    tcp_poll(pcb, NULL, 0);
}

static bool is_own(const ip_addr_t *address)
{
    if (ip_addr_isany_val(*address))
        return true;
    for (const struct netif *netif = netif_list; netif; netif = netif->next) {
        if (IP_IS_V4(address) &&
            (ip4_addr_cmp(ip_2_ip4(address), netif_ip4_addr(netif)) ||
             (ip4_addr_isloopback(ip_2_ip4(address)) && ip4_addr_isloopback(netif_ip4_addr(netif)))))
            return true;
        if (IP_IS_V6(address) && netif_get_ip6_addr_match((struct netif *)netif, ip_2_ip6(address)) >= 0)
            return true;
    }
    return false;
}

/* An IPv6 listener that is no IPv4 listener as well leaves IPv4's ports to others. */
static bool is_same_version(const ip_addr_t *one, const ip_addr_t *other)
{
    return IP_IS_ANY_TYPE_VAL(*one) || IP_IS_ANY_TYPE_VAL(*other) || IP_GET_TYPE(one) == IP_GET_TYPE(other);
}

static bool is_taken(const ip_addr_t *address, uint16_t port)
{
    for (const struct tcp_pcb_listen *other = tcp_listen_pcbs.listen_pcbs; other; other = other->next)
        if (other->local_port == port && is_same_version(address, &other->local_ip) &&
            (ip_addr_isany_val(*address) || ip_addr_isany_val(other->local_ip) ||
             ip_addr_cmp(address, &other->local_ip)))
            return true;
    return false;
}

uint32_t connection_bind(struct socket *socket, const ip_addr_t *address, uint16_t port, uint32_t flags)
{
    bool is_dual = IP_IS_V6_VAL(*address) && ip_addr_isany_val(*address) && !(flags & NET_BIND_ONLY_6);
    const ip_addr_t *own = is_dual ? IP_ANY_TYPE : address;
    if (!is_own(address))
        return NET_EADDRNOTAVAIL;
    if (port && is_taken(own, port))
        return NET_EADDRINUSE;
    if (!connection_room(socket->client->party))
        return NET_ENOBUFS;
    socket->tcp = tcp_new_ip_type(IP_GET_TYPE(own));
    if (!socket->tcp)
        return NET_ENOBUFS;
    owner_set(socket->tcp, socket->client->party);
    ip_set_option(socket->tcp, SOF_REUSEADDR); /* what is left of earlier connections does no harm */
    callbacks_set(socket);
    if (!port && !(port = port_choose()))
        return NET_EADDRNOTAVAIL;
    return errno_of(tcp_bind(socket->tcp, own, port));
}

uint32_t connection_connect(struct socket *socket, const ip_addr_t *address, uint16_t port)
{
    if (!neighbour_may_ask(socket->client->party, address))
        return NET_ENOBUFS;
    socket->state = SOCKET_CONNECTING;
    err_t error = tcp_connect(socket->tcp, address, port, on_connected);
    if (error == ERR_OK) {
        lookup_add(socket->tcp);
        window_begin(socket->tcp);
    }
    return errno_of(error);
}

/* ---- listening ----------------------------------------------------------------------------------------------- */

static err_t on_accept(void *argument, struct tcp_pcb *pcb, err_t error)
{
    struct socket *listener = argument, *socket;
    static const uint8_t announcement = 1;
    bool signal = false;
    if (error != ERR_OK || !pcb)
        return ERR_VAL;
    if (!listener || socket_make(listener->client, NET_KIND_TCP, &socket) != NET_OK) {
        trouble_note(TROUBLE_NO_SOCKET, pcb->local_port);
        tcp_abort(pcb);
        return ERR_ABRT;
    }
    segments_whole(pcb);
    socket->tcp = pcb;
    socket->state = SOCKET_PENDING;
    socket->listener = listener;
    callbacks_set(socket);
    window_measure(socket);
    tcp_backlog_delayed(pcb);
    struct socket **at = &listener->pending;
    while (*at)
        at = &(*at)->next_pending;
    *at = socket;
    listener->pending_count++;
    (void)stream_write(&listener->stream, &announcement, 1, &signal);
    if (signal)
        socket_signal(listener);
    return ERR_OK;
}

/* A listener's queue holds those that have begun and those that wait to be accepted. When it is full, who begins takes
 * the place of the one that has been half-open for longest: so a flood of beginnings does not keep out those who mean
 * it. */
err_t listener_segment(struct tcp_pcb *pcb, unsigned flags)
{
    struct tcp_pcb_listen *listener = (struct tcp_pcb_listen *)pcb;
    struct tcp_pcb *oldest = NULL;
    const struct socket *socket = listener->callback_arg;
    if ((flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
        return ERR_OK;
    if (!connection_room(socket->client->party)) {
        trouble_note(TROUBLE_NO_SOCKET, listener->local_port);
        return ERR_MEM;
    }
    if (listener->accepts_pending < listener->backlog)
        return ERR_OK;
    for (struct tcp_pcb *other = tcp_active_pcbs; other; other = other->next)
        if (other->state == SYN_RCVD && other->listener == listener &&
            (!oldest || tcp_ticks - other->tmr >= tcp_ticks - oldest->tmr))
            oldest = other;
    trouble_note(oldest ? TROUBLE_HALF_OPEN : TROUBLE_QUEUE_FULL, listener->local_port);
    if (oldest)
        tcp_abandon(oldest, 0);
    return ERR_OK;
}

/* As many wait as the program may wish for, and not fewer: who is not let in tries again after seconds only. */
#define BACKLOG 128

uint32_t connection_listen(struct socket *socket)
{
    err_t error;
    uint32_t party = socket->client->party;
    if (is_taken(&socket->tcp->local_ip, socket->tcp->local_port)) /* by who was bound later, but listens already */
        return NET_EADDRINUSE;
    if (!net_share(party, SHARE_LISTENERS))
        return NET_ENOBUFS;
    owner_clear(socket->tcp); /* it becomes another block */
    struct tcp_pcb *pcb = tcp_listen_with_backlog_and_err(socket->tcp, BACKLOG, &error);
    if (!pcb) {
        owner_set(socket->tcp, party);
        share_give(party, SHARE_LISTENERS);
        return errno_of(error);
    }
    socket->tcp = pcb;
    socket->state = SOCKET_LISTENING;
    tcp_arg(pcb, socket);
    tcp_accept(pcb, on_accept);
    return NET_OK;
}

uint32_t connection_accept(struct socket *listener, struct socket **accepted, struct process_stream *description)
{
    struct socket *socket = listener->pending;
    if (!socket)
        return NET_EAGAIN;
    uint32_t error = socket_stream_open(socket, description);
    if (error)
        return error;
    pending_remove(socket);
    socket->listener = NULL;
    socket->state = SOCKET_CONNECTED;
    (void)window_wish(socket, listener->wish);
    *accepted = socket;
    tcp_backlog_accepted(socket->tcp);
    if (socket->tcp->refused_data)
        (void)tcp_process_refused_data(socket->tcp);
    if (socket->peer_has_ended)
        end_received(socket);
    socket_queue(socket);
    return NET_OK;
}

/* ---- closing ------------------------------------------------------------------------------------------------- */

static err_t close_again(void *argument, struct tcp_pcb *pcb)
{
    (void)argument;
    (void)tcp_close(pcb);
    return ERR_OK;
}

/* lwIP sends what it has and takes leave; where that needs memory that is not there, a little later. */
static void pcb_close(struct socket *socket)
{
    struct tcp_pcb *pcb = socket->tcp;
    callbacks_clear(pcb);
    if (socket->resets || socket->state == SOCKET_PENDING)
        tcp_abort(pcb);
    else if (tcp_close(pcb) != ERR_OK)
        tcp_poll(pcb, close_again, 1);
}

static void listener_close(struct socket *socket)
{
    struct tcp_pcb *pcb = socket->tcp;
    while (socket->pending) {
        struct socket *pending = socket->pending;
        socket->pending = pending->next_pending;
        pending_release(pending);
        pcb_close(pending);
        socket_free(pending);
    }
    tcp_arg(pcb, NULL);
    (void)tcp_close(pcb);
    share_give(socket->client->party, SHARE_LISTENERS);
}

void connection_close(struct socket *socket)
{
    if (socket->tcp && socket->state == SOCKET_LISTENING)
        listener_close(socket);
    else if (socket->tcp) {
        if (socket->state == SOCKET_CONNECTED)
            window_follow(socket); /* what the client left unread makes it a reset */
        pcb_close(socket);
    }
    socket->tcp = NULL;
    socket_stream_close(socket, 0);
    socket_free(socket);
}

void connection_advance(struct socket *socket)
{
    if (!socket->has_stream)
        return;
    if (socket->state == SOCKET_CONNECTED && socket->tcp) {
        window_follow(socket);
        bool is_sent = queue_fill(socket);
        acknowledgement_send(socket);
        if (!is_sent)
            return; /* the rest first */
    }
    if (!stream_at_end(&socket->stream) && socket->tcp)
        return;
    /* The client writes no more. Does it read? */
    bool is_over = (atomic_load(&socket->stream.peer->closed) & STREAM_CLOSED_READ) || socket->stream.is_broken;
    if (is_over)
        connection_close(socket);
    else if (socket->tcp && socket->state == SOCKET_CONNECTED && !socket->has_sent_end)
        socket->has_sent_end = tcp_shutdown(socket->tcp, 0, 1) == ERR_OK;
}

/* ---- options ------------------------------------------------------------------------------------------------- */

static void flag_option(struct tcp_pcb *pcb, uint8_t flag, uint64_t *value, bool is_set)
{
    if (is_set && *value)
        ip_set_option(pcb, flag);
    else if (is_set)
        ip_reset_option(pcb, flag);
    *value = ip_get_option(pcb, flag) != 0;
}

static uint32_t time_option(u32_t *field, uint32_t scale, uint64_t *value, bool is_set)
{
    if (is_set && (*value == 0 || *value > 32767))
        return NET_EINVAL;
    if (is_set)
        *field = (u32_t)*value * scale;
    *value = *field / scale;
    return NET_OK;
}

uint32_t connection_option(struct socket *socket, uint32_t option, uint64_t *value, bool is_set)
{
    struct tcp_pcb *pcb = socket->tcp;
    bool is_listener = socket->state == SOCKET_LISTENING; /* its control block is a shorter one */
    switch (option) {
    case NET_OPTION_RESET:
        socket->resets = is_set ? *value != 0 : socket->resets;
        *value = socket->resets;
        return NET_OK;
    case NET_OPTION_KEEP_ALIVE:
        flag_option(pcb, SOF_KEEPALIVE, value, is_set);
        return NET_OK;
    case NET_OPTION_TTL:
        if (is_set && (*value == 0 || *value > 255))
            return NET_EINVAL;
        pcb->ttl = is_set ? (u8_t)*value : pcb->ttl;
        *value = pcb->ttl;
        return NET_OK;
    case NET_OPTION_NO_DELAY:
        if (is_listener)
            return NET_EINVAL;
        if (is_set && *value)
            tcp_nagle_disable(pcb);
        else if (is_set)
            tcp_nagle_enable(pcb);
        *value = tcp_nagle_disabled(pcb) != 0;
        return NET_OK;
    case NET_OPTION_KEEP_IDLE:
        return is_listener ? NET_EINVAL : time_option(&pcb->keep_idle, 1000, value, is_set);
    case NET_OPTION_KEEP_INTERVAL:
        return is_listener ? NET_EINVAL : time_option(&pcb->keep_intvl, 1000, value, is_set);
    case NET_OPTION_RECEIVE_BYTES:
        *value = window_wish(socket, is_set ? *value : 0);
        return NET_OK;
    case NET_OPTION_KEEP_COUNT:
        return is_listener ? NET_EINVAL : time_option(&pcb->keep_cnt, 1, value, is_set);
    default:
        return NET_ENOPROTOOPT;
    }
}
