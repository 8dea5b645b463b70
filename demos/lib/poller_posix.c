#include "poller.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

int poller_wait(struct poller_entry *entries, size_t count, uint64_t timeout_ns)
{
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000u),
                               .tv_nsec = (long)(timeout_ns % 1000000000u)};
    struct pollfd *polled = calloc(count + 1, sizeof(*polled));
    if (polled == NULL)
        return ENOMEM;
    for (size_t i = 0; i < count; i++) {
        int events = (entries[i].want_read ? POLLIN : 0) | (entries[i].want_write ? POLLOUT : 0);
        polled[i] = (struct pollfd){.fd = events != 0 ? entries[i].fd : -1, .events = (short)events};
    }
    int error = ppoll(polled, count, timeout_ns == POLLER_FOREVER ? NULL : &timeout, NULL) < 0 ? errno : 0;
    for (size_t i = 0; i < count; i++) {
        int happened = error == 0 ? polled[i].revents : 0;
        entries[i].can_read = entries[i].want_read && (happened & (POLLIN | POLLHUP | POLLERR | POLLNVAL));
        entries[i].can_write = entries[i].want_write && (happened & (POLLOUT | POLLHUP | POLLERR | POLLNVAL));
    }
    free(polled);
    return error == EINTR ? 0 : error;
}

uint64_t clock_now_ns(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        abort();
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec + 1;
}
