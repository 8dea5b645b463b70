/* In front of lwIP's tcp.c and tcp_in.c: how large a connection's receive window may be is its own (window.c); TCP_WND
 * is what it begins with.
 */
#ifndef NET_WINDOW_H
#define NET_WINDOW_H

#include "lwip/tcp.h"

tcpwnd_size_t window_most(const struct tcp_pcb *pcb);

#undef TCP_WND_MAX
#define TCP_WND_MAX(pcb) window_most(pcb)

#endif
