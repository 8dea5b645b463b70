/* The books, when all programs have ended: what connections, sockets and packets had must be back. What is not was lost
 * while the server ran, and the log says so.
 */
#include "lwip/ip4_frag.h"
#include "lwip/ip6_frag.h"
#include "lwip/memp.h"
#include "lwip/priv/memp_priv.h"
#include "lwip/priv/tcp_priv.h"
#include "net.h"
#include "tessera/server.h"

#define FRAGMENT_TICKS 128 /* longer than lwIP keeps any */

static uint32_t pool_used(memp_t type)
{
    uint32_t used = memp_pools[type]->num;
    for (const struct memp *piece = *memp_pools[type]->tab; piece; piece = piece->next)
        used--;
    return used;
}

/* Programs are gone; what is still closing, or in pieces, goes too. */
static void rest_end(void)
{
    while (tcp_active_pcbs)
        tcp_abort(tcp_active_pcbs);
    while (tcp_tw_pcbs)
        tcp_abort(tcp_tw_pcbs);
    for (uint32_t i = 0; i < FRAGMENT_TICKS; i++) {
        ip_reass_tmr();
        ip6_reass_tmr();
    }
}

void account_check(void)
{
    rest_end();
    uint32_t connections = pool_used(MEMP_TCP_PCB) + pool_used(MEMP_TCP_PCB_LISTEN), segments = pool_used(MEMP_TCP_SEG);
    uint32_t fragments = pool_used(MEMP_REASSDATA) + pool_used(MEMP_IP6_REASSDATA);
    uint32_t buffers = card_buffers_held(), open = sockets_count();
    if (connections + segments + fragments + buffers + open > 0)
        log_text("net: lost: %u connections, %u segments, %u fragmented packets, %u buffers of the card, %u sockets\n",
                 connections, segments, fragments, buffers, open);
}
