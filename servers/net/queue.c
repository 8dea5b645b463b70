/* How much of its data each connection may have in TCP. The rest stays in its ring, which its program pays for.
 *
 * What cannot be sent yet, but for two segments, waits in the ring: a peer that takes nothing, or has never
 * acknowledged anything, holds a handful of segments.
 *
 * What is divided is full blocks of memory (memory.h): a segment has one, however small it is, or a small one, and
 * lwIP counts the pieces that a connection has queued. A connection may queue as long as it has fewer than are free:
 * one alone takes half at most, and who comes has its share at once (the dynamic threshold of Choudhury and Hahne,
 * IEEE/ACM Transactions on Networking 6(2), 1998, with a factor of one). Who has nothing queued may queue one segment
 * in any case, in a block of the reserve, which has one for each connection there can be. So who is refused has
 * something under way, whose acknowledgement, and nobody else's, brings it back here.
 */
#include "hooks.h"
#include "lwip/priv/tcp_priv.h"
#include "memory.h"
#include "net.h"

#define OWN_SEGMENTS   (LWIP_LOOPBACK_MAX_PBUFS / 2)
#define SEGMENTS_AHEAD 2u
#define SEGMENTS_SHORT 32u                                     /* shorter than they could be */
#define BLOCKS_SHORT   ((NET_FULL_BLOCKS - NET_FULL_KEPT) / 8) /* so few are free: memory is short */
#define PIECES_FEW     2u                                      /* the reserve has them */

/* As tcp_write cuts them. */
static uint32_t segment_bytes(const struct tcp_pcb *pcb)
{
    uint32_t half = pcb->snd_wnd_max / 2;
    return half > 0 && half < pcb->mss ? half : pcb->mss;
}

/* Both ends are here: what it has queued may all lie on the loopback interface at once. */
static bool is_own(const struct tcp_pcb *pcb)
{
    return ip_addr_cmp(&pcb->local_ip, &pcb->remote_ip);
}

/* What may be under way by what the peer takes and the network seems to bear. */
static uint32_t window_of(const struct tcp_pcb *pcb)
{
    return LWIP_MIN(pcb->snd_wnd, pcb->cwnd);
}

/* Bytes that could be sent now, and a little more, so that there is something when it may. */
static uint32_t sendable(const struct tcp_pcb *pcb)
{
    uint32_t queued = TCP_SND_BUF - pcb->snd_buf, most = window_of(pcb) + SEGMENTS_AHEAD * pcb->mss;
    return most > queued ? most - queued : 0;
}

/* Bytes that memory may be taken for now; and of which kind. */
static uint32_t room(const struct tcp_pcb *pcb)
{
    uint32_t held = pcb->snd_queuelen, share = memory_share(), segment = segment_bytes(pcb);
    uint32_t limit = is_own(pcb) ? OWN_SEGMENTS : SEGMENTS_SHORT + window_of(pcb) / segment;
    uint32_t most = LWIP_MIN(share, LWIP_MIN(limit, TCP_SND_QUEUELEN));
    memory_purpose = MEMORY_DATA;
    if (most > held) {
        /* One piece may be needed to fill the last segment up. */
        uint32_t pieces = most - held - (pcb->unsent ? 1 : 0);
        return pieces * segment + pcb->unsent_oversize;
    }
    if (held > 0)
        return pcb->unsent_oversize;
    memory_purpose = MEMORY_RESERVE;
    if (pcb->snd_wnd > 0 && pcb->snd_wnd < segment) /* cutting it would take another block */
        segment = pcb->snd_wnd;
    return segment < MEMORY_RESERVE_DATA ? segment : MEMORY_RESERVE_DATA;
}

static bool data_queue(struct tcp_pcb *pcb, const void *data, uint32_t *bytes)
{
    uint32_t most = LWIP_MIN(LWIP_MIN(room(pcb), sendable(pcb)), LWIP_MIN(tcp_sndbuf(pcb), UINT16_MAX));
    if (*bytes > most)
        *bytes = most;
    bool is_queued = *bytes > 0 && tcp_write(pcb, data, (u16_t)*bytes, TCP_WRITE_FLAG_COPY) == ERR_OK;
    memory_purpose = MEMORY_OTHER;
    return is_queued;
}

bool queue_fill(struct socket *socket)
{
    bool signal = false, is_empty = false, is_busy = socket->is_relaxed;
    for (;;) {
        uint32_t bytes;
        const void *data = stream_span(&socket->stream, &bytes);
        if (bytes == 0) {
            is_empty = stream_at_end(&socket->stream) ||
                       !(is_busy ? socket_ask_late(socket) : stream_ask_data(&socket->stream));
            if (is_empty)
                break;
            continue;
        }
        if (!data_queue(socket->tcp, data, &bytes))
            break; /* on_sent comes back to it */
        stream_skip(&socket->stream, bytes, &signal);
        is_busy = true;
    }
    if (signal)
        socket_signal(socket);
    if (tcp_output(socket->tcp) == ERR_MEM && output_is_busy())
        output_wait(socket);
    return is_empty;
}

/* Where a peer's window is open by less than a segment for long, lwIP cuts one, which takes another block: its
 * tcp_split_unsent_seg is called through this (lwip.cmake). */
err_t queue_split(struct tcp_pcb *pcb, u16_t bytes)
{
    if (memory_share() == 0)
        return ERR_MEM;
    memory_purpose = MEMORY_DATA;
    err_t error = tcp_split_unsent_seg(pcb, bytes);
    memory_purpose = MEMORY_OTHER;
    return error;
}

/* Who was heard of for long and then no more keeps what it had under way, which may be most of all there is. Where
 * memory is short, those who have not acknowledged for some five seconds lose their connection, whoever has most first.
 * Not while the link is down: then nobody can, and nobody could use it. */
void queue_reclaim(void)
{
    while (memory_share() < BLOCKS_SHORT && card_is_up()) {
        struct tcp_pcb *most = NULL;
        for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
            if (pcb->nrtx >= CONNECTION_AGAIN && pcb->snd_queuelen > (most ? most->snd_queuelen : PIECES_FEW))
                most = pcb;
        if (!most)
            return;
        trouble_note(TROUBLE_RECLAIMED, most->local_port);
        tcp_abort(most);
    }
}
