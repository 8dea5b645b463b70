/* What lwIP asks of us in the middle (LWIP_HOOK_FILENAME). */
#ifndef NET_HOOKS_H
#define NET_HOOKS_H

#include "lwip/err.h"

struct tcp_pcb;

/* A segment for a listener: room for it is made where it begins a connection. */
err_t listener_segment(struct tcp_pcb *pcb, unsigned flags);

#define LWIP_HOOK_TCP_INPACKET_PCB(pcb, header, options_bytes, first_bytes, second, pbuf)                              \
    ((pcb)->state == LISTEN ? listener_segment((pcb), TCPH_FLAGS(header)) : ERR_OK)

#endif
