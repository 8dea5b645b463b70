/* What programs give faster than it can leave. The driver's queue, the loopback interfaces and the memory of long
 * datagrams are shared by all, and lwIP drops what finds them full. So whoever can wait does before they are: a program
 * with datagrams, and a connection whose segment was refused. Each waits in its turn, with its data in its own ring;
 * of datagrams so many go at a time.
 */
#include "lwip/netif.h"
#include "memory.h"
#include "net.h"

#define LOOPBACK_MANY (LWIP_LOOPBACK_MAX_PBUFS / 2)
#define BIG_FEW       3u /* one that is sent, its copy on the loopback interface, one more */

static struct socket *first, *last;

static bool is_loopback_long(void)
{
    for (const struct netif *netif = netif_list; netif; netif = netif->next)
        if (netif->loop_cnt_current >= LOOPBACK_MANY)
            return true;
    return false;
}

bool output_is_busy(void)
{
    return is_loopback_long() || memory_big_left() < BIG_FEW || card_is_busy();
}

void output_relieve(void)
{
    if (is_loopback_long())
        netif_poll_all();
}

void output_wait(struct socket *socket)
{
    if (socket->waits_for_output)
        return;
    socket->waits_for_output = true;
    socket->next_waiting = NULL;
    *(first ? &last->next_waiting : &first) = socket;
    last = socket;
}

void output_forget(struct socket *socket)
{
    struct socket *before = NULL;
    if (!socket->waits_for_output)
        return;
    for (struct socket *at = first; at != socket; at = at->next_waiting)
        before = at;
    *(before ? &before->next_waiting : &first) = socket->next_waiting;
    if (last == socket)
        last = before;
    socket->waits_for_output = false;
}

bool output_is_due(void)
{
    return first && !output_is_busy();
}

void output_resume(void)
{
    const struct socket *end = last;
    for (bool is_last = false; output_is_due() && !is_last;) {
        struct socket *socket = first;
        is_last = socket == end;
        output_forget(socket);
        if (socket->state == SOCKET_DATAGRAM && !time_is_left(socket->client->party))
            socket_look_later(socket);
        else
            socket_advance(socket);
    }
}
