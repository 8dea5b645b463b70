/* TCP's receive window: how much may be under way to a program.
 *
 * It is never larger than what the ring to the program has room for (`held` counts what lies there), so received data
 * goes into the ring at once and lwIP keeps none of it. It begins as small as the ring that every stream has, and grows
 * with the ring: to what the program asked for (SO_RCVBUF), else by itself, when so much of it comes within about a
 * round trip that it may be what the sender waits for (M. Fisk and W. Feng, Dynamic Right-Sizing in TCP, 2001; as Linux
 * does it; the round trip is that of the handshake).
 */
#include "net.h"
#include "lookup.h"
#include "tessera/clock.h"
#include "tessera/server.h"
#include "window.h"

#define LENT_MAX 256u /* the ring has room for it, and for a struct net_result, beside the window */
_Static_assert(TCP_WND + LENT_MAX + sizeof(struct net_result) <= STREAM_RING_BYTES, "the window fits the ring");
_Static_assert(STREAM_RING_MOST - STREAM_RING_BYTES + TCP_WND <= 0xffffu << TCP_RCV_SCALE, "so large can be said");
_Static_assert(TCP_WND % (1u << TCP_RCV_SCALE) == 0, "the same can be said with a scale and without");

#define ROUNDS  2u       /* so many windows in a row, the first time */
#define TRIPS   3u       /* a window may take as long as so many round trips, which vary, */
#define LATE_NS 1000000u /* and the time to handle it */

tcpwnd_size_t window_most(const struct tcp_pcb *pcb)
{
    uintptr_t grown = (uintptr_t)tcp_ext_arg_get(pcb, PCB_WINDOW);
    return grown ? (tcpwnd_size_t)grown : TCP_WND;
}

void window_begin(struct tcp_pcb *pcb)
{
    tcp_ext_arg_set(pcb, PCB_BEGUN, (void *)(uintptr_t)clock_ticks());
}

void window_measure(struct socket *socket)
{
    uint64_t now = clock_ticks(), trip = now - (uintptr_t)tcp_ext_arg_get(socket->tcp, PCB_BEGUN);
    socket->round_ticks = now;
    socket->trip_ticks = trip * TRIPS + clock_ticks_of(LATE_NS, net_page->timer_hz);
}

/* Bytes in the ring that the client has not read; 0 when it reads no more. */
static uint32_t unread(struct socket *socket)
{
    return stream_is_refused(&socket->stream) ? 0 : socket->stream.out_bytes - stream_writable(&socket->stream);
}

static void window_open(struct socket *socket, uint32_t bytes)
{
    socket->tcp->rcv_wnd += bytes;
    tcp_recved(socket->tcp, 0); /* which takes 16 bits only; it tells the peer */
}

/* ---- a larger ring --------------------------------------------------------------------------------------------- */

/* A window beyond 64 KiB can be told to who scales windows. */
static uint32_t ring_most(const struct socket *socket)
{
    return socket->tcp->flags & TF_WND_SCALE ? STREAM_RING_MOST : STREAM_RING_LEAST;
}

static bool ring_make(struct socket *socket, uint32_t bytes, bool is_automatic)
{
    struct message m = {0, {socket->session, socket->stream.index, bytes, is_automatic}};
    if (net_ask(&m, PROCESS_STREAM_GROW, 4))
        return false;
    if (!stream_grow(&socket->stream, (void *)m.words[0], bytes))
        return true; /* it has broken the ring: advancing finds that out */
    uint32_t window = bytes - (STREAM_RING_BYTES - TCP_WND), before = socket->window;
    socket->window = window;
    tcp_ext_arg_set(socket->tcp, PCB_WINDOW, (void *)(uintptr_t)window);
    window_open(socket, window - before);
    return true;
}

void window_grow(struct socket *socket)
{
    uint32_t wanted = socket->wanted < ring_most(socket) ? socket->wanted : ring_most(socket);
    bool is_automatic = !socket->wish;
    if (wanted <= socket->stream.out_bytes)
        socket->wanted = 0;
    if (!socket->wanted || stream_is_refused(&socket->stream) || unread(socket) > 0)
        return;
    window_follow(socket);
    socket->wanted = 0;
    if (ring_make(socket, wanted, is_automatic))
        return;
    socket->may_not_grow = is_automatic;
    while (!is_automatic && (wanted /= 2) > socket->stream.out_bytes && !ring_make(socket, wanted, false))
        ; /* as much as there is memory for */
}

uint32_t window_wish(struct socket *socket, uint64_t bytes)
{
    if (bytes) {
        socket->wish = STREAM_RING_BYTES;
        while (socket->wish < bytes && socket->wish < STREAM_RING_MOST)
            socket->wish *= 2;
        socket->wanted = socket->wish;
    }
    if (socket->state != SOCKET_CONNECTED || !socket->tcp)
        return socket->wish ? socket->wish : STREAM_RING_BYTES;
    window_grow(socket);
    return socket->stream.out_bytes;
}

/* First when two windows in a row were full, so that a request or two do not count. Then when half of one was: a sender
 * that doubles what it has under way in each round trip never waits. */
void window_received(struct socket *socket, uint32_t bytes)
{
    bool is_first = socket->stream.out_bytes == STREAM_RING_BYTES;
    socket->round_bytes += bytes;
    if (socket->round_bytes < (is_first ? socket->window : socket->window / 2))
        return;
    uint64_t now = clock_ticks();
    socket->rounds = now - socket->round_ticks <= socket->trip_ticks ? (uint8_t)(socket->rounds + 1) : 0;
    socket->round_ticks = now;
    socket->round_bytes = 0;
    if (socket->rounds < (is_first ? ROUNDS : 1) || socket->wish || socket->may_not_grow)
        return;
    socket->rounds = 0;
    socket->wanted = socket->stream.out_bytes * 2;
}

/* ---- what the client reads ------------------------------------------------------------------------------------- */

void window_follow(struct socket *socket)
{
    for (uint32_t round = 0; round < 2; round++) {
        uint32_t kept = unread(socket), read = socket->held > kept ? socket->held - kept : 0;
        uint32_t back = read < socket->lent ? read : socket->lent;
        socket->held -= read;
        socket->lent -= back;
        if (read > back)
            window_open(socket, read - back);
        if (socket->held <= socket->window / 2)
            return;
        (void)stream_ask_space(&socket->stream); /* and look again */
    }
}

/* lwIP answers an acknowledgement that comes while its window is shut with another. Two of its connections, as two
 * programs of this machine have, would do so for ever: so a window is never quite shut. One byte more is below what is
 * announced; a peer that sends it all the same finds room in the ring. */
void window_keep_open(struct socket *socket)
{
    if (socket->tcp->rcv_wnd > 0 || socket->lent == LENT_MAX)
        return;
    socket->lent++;
    window_open(socket, 1);
}
