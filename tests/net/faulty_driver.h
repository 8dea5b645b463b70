/* Put before the network driver's source (-include): it ends in a trap again and again, before or after it has told the
 * card, until it was started often enough. */
#ifndef TESTS_NET_FAULTY_DRIVER_H
#define TESTS_NET_FAULTY_DRIVER_H

#include "tessera/virtio.h"

#define FAULTS 5 /* the net server's start takes the second generation */

static inline void faulty_notify(const struct virtq *queue, uint32_t generation)
{
    static uint32_t count;
    bool is_last = generation >= 2 && generation < FAULTS && ++count == 20 + generation * 7;
    if (is_last && generation % 2 == 0)
        __builtin_trap();
    virtq_notify(queue);
    if (is_last)
        __builtin_trap();
}
#define virtq_notify(queue) faulty_notify(queue, driver->generation)

#endif
