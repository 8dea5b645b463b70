/* What came on connections that nobody has accepted yet: their peers may send at once, but there is no ring yet to put
 * it into, so that it stays in the buffers in which it came: of one connection what came together. All connections keep
 * so many buffers, those of one party as long as they are fewer than twice what is left: one alone has two thirds, and
 * leaves some to who comes then. What is beyond is not taken, and its sender sends it again.
 */
#include "hooks.h"
#include "lwip/priv/tcp_priv.h"
#include "net.h"
#include "tessera/share.h"

static uint32_t held[SHARE_PARTIES], held_all;

static bool is_room(uint32_t party, uint32_t count)
{
    uint32_t left = held_all < NET_WAITING_PENDING ? NET_WAITING_PENDING - held_all : 0;
    return count <= left && held[party] + count <= 2 * left;
}

/* Its own, or its listener's; NULL: that is closed. */
static const struct socket *socket_of_pending(const struct tcp_pcb *pcb)
{
    if (pcb->state != SYN_RCVD)
        return pcb->callback_arg;
    return pcb->listener ? pcb->listener->callback_arg : NULL;
}

static uint32_t buffers_ahead(const struct tcp_pcb *pcb)
{
    uint32_t count = 0;
    for (const struct tcp_seg *segment = pcb->ooseq; segment; segment = segment->next)
        count += pbuf_clen(segment->p);
    return count;
}

/* What lies behind a gap counts as others' does (card.c), until the gap closes: then it is kept, or dropped. */
err_t pending_segment(struct tcp_pcb *pcb, uint32_t sequence, uint32_t bytes)
{
    const struct socket *socket = socket_of_pending(pcb);
    if (bytes == 0 || !socket || pcb->refused_data)
        return ERR_OK;
    uint32_t party = socket->client->party;
    bool closes_gap = pcb->ooseq && (int32_t)(sequence - pcb->rcv_nxt) <= 0;
    if (closes_gap && !is_room(party, 1 + buffers_ahead(pcb)))
        tcp_free_ooseq(pcb);
    return is_room(party, 1) ? ERR_OK : ERR_MEM;
}

void pending_hold(struct socket *socket, uint32_t buffers)
{
    if (socket->buffers_held > 0)
        return;
    socket->buffers_held = (uint16_t)buffers;
    held[socket->client->party] += buffers;
    held_all += buffers;
}

void pending_release(struct socket *socket)
{
    held[socket->client->party] -= socket->buffers_held;
    held_all -= socket->buffers_held;
    socket->buffers_held = 0;
}
