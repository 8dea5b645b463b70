/* What strangers must not guess, who do not see our packets: where a connection's numbers begin, so that nobody speaks
 * in another's name (RFC 6528), and which port a program of ours sends from (RFC 6056). lwIP counts both up.
 */
#include "hooks.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/udp.h"
#include "net.h"
#include "proto/start.h"
#include "siphash.h"
#include "tessera/clock.h"

#define PORT_FIRST 49152u /* RFC 6335, 6 */
#define PORT_TRIES 64     /* there are many more ports than connections */

uint64_t net_secret(void)
{
    uint64_t high = net_random();
    return high << 32 | net_random();
}

/* A clock of 4 us, and from where it runs for these two: so that a connection that follows another between the same
 * ports begins beyond it. */
uint32_t segment_first(const ip_addr_t *local, uint16_t local_port, const ip_addr_t *remote, uint16_t remote_port)
{
    static uint64_t key[2];
    struct net_address both[2]; /* without gaps */
    if (!key[0]) {
        key[0] = net_secret();
        key[1] = net_secret();
    }
    address_write(local, local_port, &both[0]);
    address_write(remote, remote_port, &both[1]);
    uint64_t ns = clock_ns(clock_ticks(), net_page->timer_multiplier, net_page->timer_shift);
    return (uint32_t)(siphash(key, both, sizeof(both)) + ns / 4000);
}

/* A segment of a connection that stands acknowledges something, and nothing that was not sent or is long past: who
 * guesses has to guess that, too (RFC 5961, 5). SYN and RST are lwIP's, which asks for the exact number. */
err_t segment_guess(const struct tcp_pcb *pcb, const struct tcp_hdr *header)
{
    unsigned flags = TCPH_FLAGS(header);
    if (pcb->state < ESTABLISHED || (flags & (TCP_SYN | TCP_RST)))
        return ERR_OK;
    bool is_sent = TCP_SEQ_BETWEEN(header->ackno, pcb->lastack - pcb->snd_wnd_max, pcb->snd_nxt);
    return (flags & TCP_ACK) && is_sent ? ERR_OK : ERR_VAL;
}

static uint16_t port_any(void)
{
    return (uint16_t)(PORT_FIRST + net_random() % (0x10000 - PORT_FIRST));
}

static bool is_used(uint16_t port)
{
    for (uint32_t list = 0; list < NUM_TCP_PCB_LISTS; list++)
        for (const struct tcp_pcb *pcb = *tcp_pcb_lists[list]; pcb; pcb = pcb->next)
            if (pcb->local_port == port)
                return true;
    return false;
}

uint16_t port_choose(void)
{
    for (uint32_t i = 0; i < PORT_TRIES; i++) {
        uint16_t port = port_any();
        if (!is_used(port))
            return port;
    }
    return 0;
}

int8_t datagram_port_take(struct udp_pcb *pcb, const ip_addr_t *address)
{
    err_t error = ERR_USE;
    for (uint32_t i = 0; i < PORT_TRIES && error == ERR_USE; i++)
        error = udp_bind(pcb, address, port_any());
    return error;
}
