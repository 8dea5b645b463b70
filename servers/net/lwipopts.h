/* lwIP's configuration: without threads, its callbacks only; memory for a thousand connections. docs/network.md. */
#ifndef NET_LWIPOPTS_H
#define NET_LWIPOPTS_H

#include "proto/packet.h"

#define NO_SYS               1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN         0
#define LWIP_SOCKET          0
#define LWIP_HOOK_FILENAME   "hooks.h"
/* Of what goes wrong, for trouble.c. */
#define LWIP_STATS           1
#define LWIP_STATS_DISPLAY   0
#define MEM_STATS            0
#define MEMP_STATS           0
#define SYS_STATS            0
#define LINK_STATS           0
#define MEMP_NUM_SYS_TIMEOUT (LWIP_NUM_SYS_TIMEOUT_INTERNAL + 2) /* troubles_start, card_start */

/* The heap lies where the card reaches it: what is sent comes from there. */
#define NET_RECEIVE_BUFFERS 256u
#define NET_HEAP_OFFSET     (PACKET_DATA_OFFSET + NET_RECEIVE_BUFFERS * PACKET_BUFFER_BYTES)
#define MEM_ALIGNMENT       8
#define MEM_SIZE            (PACKET_REGION_BYTES - NET_HEAP_OFFSET)
#define MEM_LIBC_MALLOC     1 /* memory.c */
#define mem_clib_malloc     net_memory_take
#define mem_clib_free       net_memory_give
#define mem_clib_calloc     net_memory_clear
void *net_memory_take(__SIZE_TYPE__ bytes);
void net_memory_give(void *block);
void *net_memory_clear(__SIZE_TYPE__ count, __SIZE_TYPE__ bytes);
extern unsigned char *net_heap;

/* Packets that may wait elsewhere than in a connection's queue: with the driver, for neighbours' addresses, on the
 * loopback interfaces (64 on each of two), for their connections to be accepted. */
#define NET_WAITING_NEIGHBOURS (ARP_TABLE_SIZE * ARP_QUEUE_LEN + MEMP_NUM_ND6_QUEUE)
#define NET_WAITING_LOOPBACK   128u
#define NET_WAITING_PENDING    80u
#define NET_WAITING            (PACKET_IN_FLIGHT + NET_WAITING_NEIGHBOURS + NET_WAITING_LOOPBACK + NET_WAITING_PENDING)

/* The heap's blocks (memory.h). A pbuf is 24 bytes; in front of what TCP and UDP send 80 are left for headers, and 16
 * more for the fuzzer's guard. */
#define NET_SMALL_BYTES    192u
#define NET_SMALL_BLOCKS   2048u
#define NET_SMALL_KEPT     (MEMP_NUM_TCP_PCB + NET_WAITING) /* not for data: each connection's SYN or FIN */
#define NET_RESERVE_BYTES  672u
#define NET_RESERVE_BLOCKS (MEMP_NUM_TCP_PCB + PACKET_IN_FLIGHT + NET_WAITING_NEIGHBOURS)
#define NET_BIG_BYTES      16256u
#define NET_BIG_BLOCKS     12u
#define NET_FULL_BYTES     1632u
#define NET_FULL_KEPT      NET_WAITING /* not for data */
#define NET_FULL_BLOCKS                                                                                                \
    ((MEM_SIZE - NET_SMALL_BLOCKS * NET_SMALL_BYTES - NET_RESERVE_BLOCKS * NET_RESERVE_BYTES -                         \
      NET_BIG_BLOCKS * NET_BIG_BYTES) /                                                                                \
     NET_FULL_BYTES)

#define NET_DATAGRAM_SOCKETS     96
#define MEMP_NUM_TCP_PCB         1100
#define MEMP_NUM_TCP_PCB_LISTEN  64
#define MEMP_NUM_UDP_PCB         (NET_DATAGRAM_SOCKETS + DNS_TABLE_SIZE + 1) /* and of DNS and DHCP */
#define MEMP_NUM_TCP_SEG         5120 /* more than there are blocks that one can lie in, and received ones behind gaps */
#define MEMP_NUM_PBUF            1024
#define MEMP_NUM_REASSDATA       16
#define MEMP_NUM_FRAG_PBUF       (PACKET_IN_FLIGHT + NET_WAITING_NEIGHBOURS)
#define MEMP_NUM_ARP_QUEUE       (ARP_TABLE_SIZE * ARP_QUEUE_LEN + 1) /* never used up */
#define MEMP_NUM_ND6_QUEUE       32
#define PBUF_POOL_SIZE           16
#define IP_REASS_MAX_PBUFS       24 /* of each IP; with NET_WAITING_PENDING half of the card's buffers */
#define LWIP_SUPPORT_CUSTOM_PBUF 1
#define LWIP_CHECKSUM_ON_COPY    0

#define LWIP_ARP                       1
#define ARP_TABLE_SIZE                 64
#define ARP_QUEUEING                   1
#define ARP_QUEUE_LEN                  2  /* packets that wait for one neighbour: both questions to a name server */
#define NET_NEIGHBOURS_ASKED           48 /* for programs: neighbour.c */
#define LWIP_ICMP                      1
#define LWIP_RAW                       0
#define LWIP_IGMP                      1
#define IP_REASSEMBLY                  1
#define IP_FRAG                        1
#define LWIP_UDP                       1
#define LWIP_DHCP                      1
#define DHCP_DOES_ARP_CHECK            0
#define LWIP_AUTOIP                    0
#define LWIP_DNS                       1
#define DNS_MAX_NAME_LENGTH            256
#define DNS_TABLE_SIZE                 16
#define LWIP_IPV6                      1
#define LWIP_IPV6_AUTOCONFIG           1
#define LWIP_ND6_NUM_NEIGHBORS         64
#define LWIP_ND6_NUM_DESTINATIONS      64
#define LWIP_IPV6_DHCP6                0
#define IPV6_FRAG_COPYHEADER           1
#define LWIP_ND6_RDNSS_MAX_DNS_SERVERS 0
#define LWIP_NETIF_LOOPBACK            1
#define LWIP_HAVE_LOOPIF               1
#define LWIP_LOOPBACK_MAX_PBUFS        64
#define LWIP_NETIF_STATUS_CALLBACK     0
#define LWIP_SINGLE_NETIF              0
#define LWIP_CHECKSUM_CTRL_PER_NETIF   1

#define LWIP_TCP                  1
#define TCP_MSS                   1460
#define TCP_WND                   16064 /* at first: fits a stream's ring, with what may stand before (window.c) */
#define LWIP_WND_SCALE            1
#define TCP_RCV_SCALE             5               /* up to 2 MiB */
#define TCP_SND_BUF               (180 * TCP_MSS) /* at most: queue.c */
#define TCP_SNDLOWAT              (2 * TCP_MSS)   /* nobody asks */
#define TCP_SND_QUEUELEN          512             /* queue.c has a say before */
#define TCP_QUEUE_OOSEQ           1
#define TCP_OOSEQ_MAX_PBUFS       64
#define LWIP_TCP_SACK_OUT         1
#define TCP_LISTEN_BACKLOG        1
#define LWIP_TCP_KEEPALIVE        1
#define LWIP_TCP_TIMESTAMPS       0
#define LWIP_TCP_PCB_NUM_EXT_ARGS 4 /* lookup.h */
#define SO_REUSE                  1

#endif
