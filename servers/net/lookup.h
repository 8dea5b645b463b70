/* Which connection a segment belongs to. lwIP looks for it in a line, of the active ones and then of those that wait
 * their time out; here it is a look into a table. lwIP's tcp_in.c is compiled with this file in front of it, in which
 * its two lines are what the table has found (servers/net/lwip.cmake): no more of it is changed, and its lists are
 * kept as ever.
 */
#ifndef NET_LOOKUP_H
#define NET_LOOKUP_H

#include "lwip/opt.h"
#include "lwip/priv/tcp_priv.h"

/* Numbers of lwIP's extra arguments of a control block. */
enum { PCB_LOOKUP, PCB_OWNER, PCB_WINDOW, PCB_BEGUN, PCB_ARGUMENTS };
_Static_assert(PCB_ARGUMENTS == LWIP_TCP_PCB_NUM_EXT_ARGS, "as configured");

/* The active one, or the one that waits, of the packet that is being taken in with these ports; or NULL. In a place
 * that may be written. */
struct tcp_pcb **lookup_active(uint16_t remote_port, uint16_t local_port);
struct tcp_pcb **lookup_waiting(uint16_t remote_port, uint16_t local_port);
/* It has become active: both its addresses and ports are set. */
void lookup_add(struct tcp_pcb *pcb);

/* lwIP's lists. */
void lookup_list_active(struct tcp_pcb *pcb);
void lookup_list_waiting(struct tcp_pcb *pcb);
void lookup_unlist_active(struct tcp_pcb *pcb);
void lookup_remove_active(struct tcp_pcb *pcb);

#endif
