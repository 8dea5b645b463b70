/* Put before the store's sources (-include): it ends in a trap again and again, just before or after a request to a
 * disk, until it was started often enough. A disk's generation counts the starts (proto/block.h). */
#if !defined(TESTS_STORE_FAULTY_STORE_H) && !defined(TESTS_SERVERS_FAULTY_H) /* which dies in its own way */
#define TESTS_STORE_FAULTY_STORE_H

#include "tessera/syscall.h"

#define STORE_FAULTS 6

static inline void faulty_signal(cptr signal, uint32_t generation)
{
    static uint32_t count;
    bool is_last = generation < STORE_FAULTS && ++count == 12 + generation * 5;
    if (is_last && generation % 2 == 0)
        __builtin_trap();
    notification_signal(signal);
    if (is_last)
        __builtin_trap();
}
#define notification_signal(signal) faulty_signal(signal, port->generation)

#endif
