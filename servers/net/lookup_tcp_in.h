/* In front of lwIP's tcp_in.c: see lookup.h. What it means by its lists where it changes them, and where it looks. */
#include "hooks.h"
#include "lookup.h"
#include "window.h"

#undef tcp_ack
#define tcp_ack(pcb) segment_acknowledge(pcb)

#undef TCP_REG_ACTIVE
#undef TCP_RMV_ACTIVE
#undef TCP_REG
#define TCP_REG_ACTIVE(pcb)       lookup_list_active(pcb)
#define TCP_RMV_ACTIVE(pcb)       lookup_unlist_active(pcb)
#define TCP_REG(list, pcb)        lookup_list_waiting(pcb)
#define tcp_pcb_remove(list, pcb) lookup_remove_active(pcb)
#define tcp_active_pcbs           (*lookup_active(tcphdr->src, tcphdr->dest))
#define tcp_tw_pcbs               (*lookup_waiting(tcphdr->src, tcphdr->dest))
