/* Put before the net server's connections (-include): it ends in a trap when it has taken so much for programs. */
#ifndef TESTS_NET_FAULTY_SERVER_H
#define TESTS_NET_FAULTY_SERVER_H

#include "tessera/stream.h"

#define FAULT_AFTER 400000u /* bytes */

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

#endif
