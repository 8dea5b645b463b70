/* Waiting for descriptors or for time to pass. poller_wasi.c and poller_posix.c implement it: directly over
 * poll_oneoff rather than libc's poll, which puts its arrays on the stack and knows no deadlines below 1 ms.
 */
#ifndef DEMOS_LIB_POLLER_H
#define DEMOS_LIB_POLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct poller_entry {
    int fd;
    bool want_read, want_write; /* in */
    bool can_read, can_write;   /* out; also set when the peer has closed, so that the next call tells */
};

#define POLLER_FOREVER UINT64_MAX

/* Waits until at least one entry can do what it wants or `timeout_ns` has passed. Returns 0 or errno. */
int poller_wait(struct poller_entry *entries, size_t count, uint64_t timeout_ns);

/* The monotonic clock, in nanoseconds, never 0. */
uint64_t clock_now_ns(void);

#endif
