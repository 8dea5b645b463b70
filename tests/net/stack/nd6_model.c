/* lwIP's nd6.c as the net server has it (servers/net/lwip.cmake). */
#define nd6_get_destination_mtu  nd6_told_mtu
#define netif_ip6_addr_set_state neighbours_say

#include "core/ipv6/nd6.c"
