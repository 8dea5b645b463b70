/* Put before the net server's connections and datagrams (-include): it ends in a trap when it has taken so much for
 * programs, or when somebody tells it to. */
#ifndef TESTS_NET_FAULTY_SERVER_H
#define TESTS_NET_FAULTY_SERVER_H

#include "net.h"
#include "tessera/stream.h"

#define FAULT_AFTER 400000u /* bytes */
#define FAULT_PORT  666u    /* a datagram from there is death */

static inline uint32_t faulty_write(struct stream *stream, const void *buffer, uint32_t bytes, bool *signal)
{
    static uint32_t total;
    uint32_t written = stream_write(stream, buffer, bytes, signal);
    total += written;
    if (total > FAULT_AFTER)
        __builtin_trap();
    return written;
}
#define stream_write(stream, buffer, bytes, signal) faulty_write(stream, buffer, bytes, signal)

static inline void faulty_address(const ip_addr_t *from, uint16_t port, struct net_address *to)
{
    if (port == FAULT_PORT)
        __builtin_trap();
    address_write(from, port, to);
}
#define address_write(from, port, to) faulty_address(from, port, to)

#endif
