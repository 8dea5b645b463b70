/* What goes wrong on the network without any program's knowing, in the log: counted, and each kind said at most once in
 * ten seconds, so that who floods the machine does not flood its log. */
#include "lwip/priv/tcp_priv.h"
#include "lwip/stats.h"
#include "lwip/timeouts.h"
#include "net.h"
#include "tessera/server.h"
#include "tessera/text.h"

#define LOOK_MS 1000u
#define QUIET   10u /* looks after a report */

#define PROBES_MOST 3u /* of a window that is shut: some five seconds, too */

static struct {
    const char *text; /* of count and port */
    uint32_t count, port, quiet;
    uint16_t seen; /* of lwIP's counter */
} troubles[TROUBLE_COUNT] = {
    [TROUBLE_HALF_OPEN] = {"half-open connections were given up for new ones: somebody begins many and finishes none"},
    [TROUBLE_NO_SOCKET] = {"connections were refused: the program has as many as it may have"},
    [TROUBLE_QUEUE_FULL] = {"connections must wait: the program does not accept those that are there"},
    [TROUBLE_UNREAD] = {"connections wait, with data to send, for peers that do not read"},
    [TROUBLE_UNHEARD] =
        {"connections send the same again and again: their peers are gone, or the network loses packets"},
    [TROUBLE_RECLAIMED] =
        {"connections were reset: they kept memory that others need, and their peers acknowledge nothing"},
    [TROUBLE_FORGED] = {"packets were dropped that somebody on the network sends in this machine's own name"},
    [TROUBLE_DAMAGED] = {"packets with wrong checksums were dropped"},
    [TROUBLE_MALFORMED] = {"malformed packets were dropped"},
    [TROUBLE_FRAGMENTS] = {"fragments of datagrams that were never whole were dropped"},
    [TROUBLE_MEMORY] = {"packets were dropped since no memory was left for them"},
};

void trouble_note(enum net_trouble trouble, uint16_t port)
{
    if (troubles[trouble].count++ == 0)
        troubles[trouble].port = port;
}

static void follow(enum net_trouble trouble, uint32_t counter)
{
    troubles[trouble].count += (uint16_t)(counter - troubles[trouble].seen);
    troubles[trouble].seen = (uint16_t)counter;
}

/* nd6.err is none: it counts questions of our own that have no address to be asked from yet. */
static uint32_t malformed(const struct stats_proto *stats)
{
    return (uint32_t)stats->lenerr + stats->proterr + stats->err + stats->opterr;
}

static void counters_follow(void)
{
    const struct stats_ *stats = &lwip_stats;
    follow(TROUBLE_DAMAGED, (uint32_t)stats->ip.chkerr + stats->tcp.chkerr + stats->udp.chkerr + stats->icmp.chkerr +
                                stats->icmp6.chkerr);
    follow(TROUBLE_MALFORMED, malformed(&stats->etharp) + malformed(&stats->ip) + malformed(&stats->ip6) +
                                  malformed(&stats->icmp) + malformed(&stats->icmp6) + malformed(&stats->nd6) -
                                  stats->nd6.err + malformed(&stats->udp) + malformed(&stats->tcp));
    follow(TROUBLE_FRAGMENTS,
           (uint32_t)stats->ip_frag.drop + stats->ip_frag.memerr + stats->ip6_frag.drop + stats->ip6_frag.memerr);
    follow(TROUBLE_MEMORY, (uint32_t)stats->etharp.memerr + stats->ip.memerr + stats->ip6.memerr + stats->udp.memerr +
                               stats->tcp.memerr);
}

/* `count` now: the most that there were since the last report is what is said. */
static void most_note(enum net_trouble trouble, uint32_t count, uint16_t port)
{
    if (count <= troubles[trouble].count)
        return;
    troubles[trouble].count = count;
    troubles[trouble].port = port;
}

static void connections_follow(void)
{
    uint32_t unread = 0, unheard = 0;
    uint16_t unread_port = 0, unheard_port = 0;
    for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
        if (pcb->persist_backoff >= PROBES_MOST) {
            unread++;
            unread_port = pcb->local_port;
        } else if (pcb->nrtx >= CONNECTION_AGAIN) {
            unheard++;
            unheard_port = pcb->local_port;
        }
    }
    most_note(TROUBLE_UNREAD, unread, unread_port);
    most_note(TROUBLE_UNHEARD, unheard, unheard_port);
}

static void report(enum net_trouble trouble)
{
    uint32_t count = troubles[trouble].count, port = troubles[trouble].port;
    if (troubles[trouble].quiet > 0) {
        troubles[trouble].quiet--;
        return;
    }
    if (count == 0)
        return;
    if (port)
        log_text("net: port %u: %u %s\n", port, count, troubles[trouble].text);
    else
        log_text("net: %u %s\n", count, troubles[trouble].text);
    troubles[trouble].count = 0;
    troubles[trouble].quiet = QUIET;
}

static void look(void *argument)
{
    counters_follow();
    connections_follow();
    queue_reclaim();
    for (uint32_t i = 0; i < TROUBLE_COUNT; i++)
        report((enum net_trouble)i);
    sys_timeout(LOOK_MS, look, argument);
}

void troubles_start(void)
{
    sys_timeout(LOOK_MS, look, NULL);
}
