#include "poller.h"

#include <errno.h>
#include <stdlib.h>
#include <wasi/api.h>

static __wasi_subscription_t *subscriptions;
static __wasi_event_t *events;
static size_t capacity;

static bool make_room(size_t count)
{
    if (count <= capacity)
        return true;
    free(subscriptions);
    free(events);
    capacity = count * 2;
    subscriptions = malloc(capacity * sizeof(*subscriptions));
    events = malloc(capacity * sizeof(*events));
    if (subscriptions != NULL && events != NULL)
        return true;
    capacity = 0;
    return false;
}

static void subscribe_fd(__wasi_subscription_t *subscription, size_t index, __wasi_eventtype_t type, int fd)
{
    subscription->userdata = index;
    subscription->u.tag = type;
    subscription->u.u.fd_read.file_descriptor = (__wasi_fd_t)fd;
}

static size_t subscribe_all(struct poller_entry *entries, size_t count, uint64_t timeout_ns)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        entries[i].can_read = entries[i].can_write = false;
        if (entries[i].want_read)
            subscribe_fd(&subscriptions[used++], i, __WASI_EVENTTYPE_FD_READ, entries[i].fd);
        if (entries[i].want_write)
            subscribe_fd(&subscriptions[used++], i, __WASI_EVENTTYPE_FD_WRITE, entries[i].fd);
    }
    if (timeout_ns != POLLER_FOREVER) {
        subscriptions[used++] = (__wasi_subscription_t){
            .userdata = count,
            .u.tag = __WASI_EVENTTYPE_CLOCK,
            .u.u.clock = {.id = __WASI_CLOCKID_MONOTONIC, .timeout = timeout_ns},
        };
    }
    return used;
}

int poller_wait(struct poller_entry *entries, size_t count, uint64_t timeout_ns)
{
    size_t happened = 0;
    if (!make_room(2 * count + 1))
        return ENOMEM;
    size_t used = subscribe_all(entries, count, timeout_ns);
    __wasi_errno_t error = __wasi_poll_oneoff(subscriptions, events, used, &happened);
    if (error != 0)
        return error;
    for (size_t i = 0; i < happened; i++) {
        if (events[i].userdata >= count)
            continue;
        struct poller_entry *entry = &entries[events[i].userdata];
        entry->can_read |= events[i].type == __WASI_EVENTTYPE_FD_READ;
        entry->can_write |= events[i].type == __WASI_EVENTTYPE_FD_WRITE;
    }
    return 0;
}

uint64_t clock_now_ns(void)
{
    __wasi_timestamp_t now = 0;
    if (__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 1, &now) != 0)
        abort();
    return now + 1;
}
