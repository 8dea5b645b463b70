/* What lwIP asks of us in the middle (LWIP_HOOK_FILENAME). */
#ifndef NET_HOOKS_H
#define NET_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "lwip/err.h"
#include "lwip/ip_addr.h"

struct tcp_pcb;
struct tcp_hdr;

/* A segment for a listener: room for it is made where it begins a connection. */
err_t listener_segment(struct tcp_pcb *pcb, unsigned flags);

/* A segment of so many bytes for a connection that is half-open or waits to be accepted: whether there is room. */
err_t pending_segment(struct tcp_pcb *pcb, uint32_t sequence, uint32_t bytes);

/* Of two segments in order one is to be acknowledged (RFC 5681, 4.2): in place of lwIP's tcp_ack. */
void segment_acknowledge(struct tcp_pcb *pcb);

/* In place of lwIP's tcp_split_unsent_seg. */
err_t queue_split(struct tcp_pcb *pcb, uint16_t bytes);

/* For each segment of a connection or for a listener: what options may not say is taken out. */
void segment_options(const struct tcp_pcb *pcb, struct tcp_hdr *header, unsigned bytes, unsigned first_bytes,
                     uint8_t *second);

/* Of a connection: ERR_OK when it is no stranger's guess. */
err_t segment_guess(const struct tcp_pcb *pcb, const struct tcp_hdr *header);

/* The number of a connection's first byte. */
uint32_t segment_first(const ip_addr_t *local, uint16_t local_port, const ip_addr_t *remote, uint16_t remote_port);

/* In place of netif_ip6_addr_set_state where neighbours have it called. */
struct netif;
void neighbours_say(struct netif *netif, signed char address, unsigned char state);

#define LWIP_HOOK_TCP_ISN segment_first
#define LWIP_HOOK_TCP_INPACKET_PCB(pcb, header, options_bytes, first_bytes, second, pbuf)                              \
    ((options_bytes) ? segment_options((pcb), (header), (options_bytes), (first_bytes), (second)) : (void)0,           \
     (pcb)->state == LISTEN                     ? listener_segment((pcb), TCPH_FLAGS(header))                          \
     : segment_guess((pcb), (header)) != ERR_OK ? ERR_VAL                                                              \
     : ((pcb)->flags & TF_BACKLOGPEND)          ? pending_segment((pcb), (header)->seqno, (pbuf)->tot_len)             \
                                                : ERR_OK)

#endif
