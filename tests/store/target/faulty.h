/* Put before the block driver's source (-include): it ends in a trap again and again, before or after it has told the
 * device of requests, until it was started often enough. */
#ifndef TESTS_STORE_FAULTY_H
#define TESTS_STORE_FAULTY_H

#include "tessera/virtio.h"

#define FAULTS 12

static inline void faulty_notify(const struct virtq *queue, uint32_t generation)
{
    static uint32_t count;
    bool is_last = generation < FAULTS && ++count == 5 + generation * 3;
    if (is_last && generation % 2 == 0)
        __builtin_trap();
    virtq_notify(queue);
    if (is_last)
        __builtin_trap();
}
#define virtq_notify(queue) faulty_notify(queue, driver->generation)

#endif
