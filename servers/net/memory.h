/* The memory of packets: lwIP's heap (LWIP's mem_malloc), which lies where the card reaches it. It is blocks of four
 * sizes, each taken and given back in a few instructions, and never in pieces: so that what is free is there for who is
 * entitled to it, whoever has used the rest before, and counting blocks is all that fairness needs (queue.c).
 */
#ifndef NET_MEMORY_H
#define NET_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* What a block is asked for. Whoever says nothing is OTHER. */
enum memory_purpose {
    MEMORY_OTHER,   /* one small block for each header, ACK, SYN, FIN and RST, a full one for a datagram, an echo */
    MEMORY_DATA,    /* of a connection's data: leaves alone what is kept for all others */
    MEMORY_RESERVE, /* of the data of a connection that has nothing queued: there is one for each */
};
extern enum memory_purpose memory_purpose;

/* Data of one segment that a block of the reserve has room for: what every host takes (RFC 9293, 3.7.1). */
#define MEMORY_RESERVE_DATA 536u

/* Full blocks that are free beyond those that are kept for what is not a connection's data. */
uint32_t memory_share(void);
/* Blocks for long datagrams. */
uint32_t memory_big_left(void);

#endif
