/* Addresses: lwIP's, the protocol's and those in permissions. */
#include "lwip/netif.h"
#include "net.h"
#include "tessera/text.h"

bool address_read(const struct net_address *from, ip_addr_t *to)
{
    memset(to, 0, sizeof(*to));
    if (from->family == NET_FAMILY_4) {
        IP_SET_TYPE(to, IPADDR_TYPE_V4);
        memcpy(&ip_2_ip4(to)->addr, from->address, 4);
        return true;
    }
    if (from->family != NET_FAMILY_6)
        return false;
    IP_SET_TYPE(to, IPADDR_TYPE_V6);
    memcpy(ip_2_ip6(to)->addr, from->address, 16);
    if (ip6_addr_isipv4mappedipv6(ip_2_ip6(to))) {
        unmap_ipv4_mapped_ipv6(ip_2_ip4(to), ip_2_ip6(to));
        IP_SET_TYPE(to, IPADDR_TYPE_V4);
    } else if (netif_default) {
        ip6_addr_assign_zone(ip_2_ip6(to), IP6_UNKNOWN, netif_default);
    }
    return true;
}

void address_write(const ip_addr_t *from, uint16_t port, struct net_address *to)
{
    bool is_6 = IP_IS_V6(from);
    *to = (struct net_address){.family = is_6 ? NET_FAMILY_6 : NET_FAMILY_4, .port = port};
    if (is_6)
        memcpy(to->address, ip_2_ip6(from)->addr, 16);
    else
        memcpy(to->address, &ip_2_ip4(from)->addr, 4);
}

/* The longest run of blocks that are zero, at least two, the first of equals; its first block. */
static uint32_t zero_run(const uint16_t blocks[8], uint32_t *count)
{
    uint32_t first = 0;
    *count = 1;
    for (uint32_t i = 0; i < 8; i++) {
        uint32_t run = 0;
        while (i + run < 8 && blocks[i + run] == 0)
            run++;
        if (run > *count) {
            first = i;
            *count = run;
        }
    }
    *count = *count > 1 ? *count : 0;
    return first;
}

void address_text(const ip_addr_t *address, char *text, size_t size)
{
    uint16_t blocks[8];
    uint32_t zeros, first;
    if (!IP_IS_V6(address)) {
        (void)ipaddr_ntoa_r(address, text, (int)size);
        return;
    }
    for (uint32_t i = 0; i < 8; i++)
        blocks[i] = (uint16_t)(lwip_htonl(ip_2_ip6(address)->addr[i / 2]) >> (i % 2 ? 0 : 16));
    first = zero_run(blocks, &zeros);
    size_t length = 0;
    for (uint32_t i = 0; i < 8; i++) {
        if (zeros > 0 && i == first) { /* the colon behind it is there, the one in front not yet */
            length += text_format(text + length, size - length, "::");
            i += zeros - 1;
        } else {
            const char *before = i == 0 || (zeros > 0 && i == first + zeros) ? "" : ":";
            length += text_format(text + length, size - length, "%s%x", before, (unsigned)blocks[i]);
        }
    }
}
