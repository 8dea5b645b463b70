/* How long packets to an IPv6 destination may be: 1,280 bytes, which every link takes. So there is no path MTU to be
 * found out (RFC 8200, 5, leaves that to us), and nobody to be believed about it: lwIP takes any number from a Packet
 * Too Big, would cut packets into pieces of no length, and spoils a segment for being sent again when it cuts one. Its
 * own nd6_get_destination_mtu is compiled as nd6_told_mtu (lwip.cmake).
 */
#include "lwip/nd6.h"
#include "lwip/prot/ip6.h"

u16_t nd6_get_destination_mtu(const ip6_addr_t *address, struct netif *netif)
{
    (void)address;
    (void)netif;
    return IP6_MIN_MTU_LENGTH;
}
