/* Frames that no honest host puts on a cable: who sends them speaks in this machine's own name, so that what is meant
 * for its programs alone would be open to the network, or a program's answer would go round in the machine for ever;
 * and messages of neighbours who do so.
 */
#include "hooks.h"
#include "lwip/netif.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "net.h"

/* 127.0.0.0/8 (RFC 1122, 3.2.1.3), and our own address as another's. Nobody opens a connection from 0.0.0.0/8. */
static bool is_forged_4(const struct netif *netif, const struct ip_hdr *head)
{
    ip4_addr_t source, target;
    ip4_addr_copy(source, head->src);
    ip4_addr_copy(target, head->dest);
    bool is_own = !ip4_addr_isany_val(source) && ip4_addr_cmp(&source, netif_ip4_addr(netif));
    bool is_nobody = ip4_addr1(&source) == 0 && IPH_PROTO(head) == IP_PROTO_TCP;
    return ip4_addr_isloopback(&source) || ip4_addr_isloopback(&target) || is_own || is_nobody;
}

/* ::1 (RFC 4291, 2.5.3), and our own address; but who has it as well says so by ICMP. */
static bool is_forged_6(struct netif *netif, const struct ip6_hdr *head)
{
    ip6_addr_t source, target;
    ip6_addr_copy_from_packed(source, head->src);
    ip6_addr_copy_from_packed(target, head->dest);
    if (ip6_addr_isloopback(&source) || ip6_addr_isloopback(&target))
        return true;
    ip6_addr_assign_zone(&source, IP6_UNICAST, netif);
    return IP6H_NEXTH(head) != IP6_NEXTH_ICMP6 && netif_get_ip6_addr_match(netif, &source) >= 0;
}

/* What lwIP makes of neighbours' and routers' messages. That somebody else has an address is asked before it is used
 * (RFC 4862, 5.4); afterwards lwIP would give it up, for good, to whoever says that it is his. */
void neighbours_say(struct netif *netif, s8_t address, u8_t state)
{
    if (state == IP6_ADDR_DUPLICATED && ip6_addr_isvalid(netif_ip6_addr_state(netif, address)))
        trouble_note(TROUBLE_FORGED, 0);
    else
        netif_ip6_addr_set_state(netif, address, state);
}

bool frame_is_forged(struct netif *netif, const uint8_t *frame)
{
    const struct eth_hdr *head = (const struct eth_hdr *)(const void *)frame;
    const void *packet = frame + SIZEOF_ETH_HDR;
    if (head->type == PP_HTONS(ETHTYPE_IP))
        return is_forged_4(netif, packet);
    return head->type == PP_HTONS(ETHTYPE_IPV6) && is_forged_6(netif, packet);
}
