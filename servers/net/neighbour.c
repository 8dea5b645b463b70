/* Neighbours whose addresses on the cable have to be asked for. lwIP keeps a table of those of each IP; while one is
 * asked for, up to five seconds, packets for it wait, and who has asked for many takes other programs' neighbours out
 * of the table. So a program may be asking for so many at a time: what goes to more of them is not sent.
 */
#include "lwip/etharp.h"
#include "lwip/ip.h"
#include "lwip/priv/nd6_priv.h"
#include "lwip/sys.h"
#include "net.h"
#include "tessera/share.h"

#define ASKING_MS 5000u /* lwIP gives up */
#define KNOWN_MS  1000u /* one that was known is taken for known */

static struct asked {
    ip_addr_t address;
    uint32_t party, since_ms;
    bool is_used;
} asked[NET_NEIGHBOURS_ASKED];

static bool is_known_4(const struct netif *netif, const ip4_addr_t *address)
{
    struct eth_addr *place;
    const ip4_addr_t *same;
    bool is_near = ip4_addr_netcmp(address, netif_ip4_addr(netif), netif_ip4_netmask(netif));
    bool is_one = !ip4_addr_isbroadcast(address, netif) && !ip4_addr_ismulticast(address) &&
                  !ip4_addr_cmp(address, netif_ip4_addr(netif));
    return !is_near || !is_one || etharp_find_addr((struct netif *)netif, address, &place, &same) >= 0;
}

static bool is_known_6(const struct netif *netif, const ip6_addr_t *address)
{
    bool is_near = ip6_addr_islinklocal(address);
    for (uint32_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
        is_near |= ip6_addr_isvalid(netif_ip6_addr_state(netif, i)) &&
                   ip6_addr_netcmp_zoneless(address, netif_ip6_addr(netif, i));
    if (!is_near || ip6_addr_ismulticast(address) || netif_get_ip6_addr_match((struct netif *)netif, address) >= 0)
        return true;
    for (uint32_t i = 0; i < LWIP_ND6_NUM_NEIGHBORS; i++)
        if (neighbor_cache[i].state > ND6_INCOMPLETE &&
            ip6_addr_cmp_zoneless(address, &neighbor_cache[i].next_hop_address))
            return true;
    return false;
}

static bool is_known(const ip_addr_t *address)
{
    const struct netif *netif = netif_default;
    if (!netif)
        return true;
    return IP_IS_V6(address) ? is_known_6(netif, ip_2_ip6(address)) : is_known_4(netif, ip_2_ip4(address));
}

/* Gives back those that have answered, or never will. */
static void asked_look(void)
{
    for (struct asked *one = asked; one < asked + NET_NEIGHBOURS_ASKED; one++)
        if (one->is_used && (sys_now() - one->since_ms >= ASKING_MS || is_known(&one->address))) {
            one->is_used = false;
            share_give(one->party, SHARE_NEIGHBOURS);
        }
}

bool neighbour_may_ask(uint32_t party, const ip_addr_t *address)
{
    static ip_addr_t last;
    static uint32_t last_ms;
    if (sys_now() - last_ms < KNOWN_MS && ip_addr_cmp(address, &last))
        return true;
    if (is_known(address)) {
        last = *address;
        last_ms = sys_now();
        return true;
    }
    asked_look();
    struct asked *unused = NULL;
    for (struct asked *one = asked; one < asked + NET_NEIGHBOURS_ASKED; one++) {
        if (one->is_used && ip_addr_cmp(&one->address, address))
            return true;
        if (!one->is_used)
            unused = one;
    }
    if (!net_share(party, SHARE_NEIGHBOURS))
        return false;
    *unused = (struct asked){*address, party, sys_now(), true};
    return true;
}
