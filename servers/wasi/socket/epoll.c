/* epoll for C programs that are compiled for wasm32-wasi, on WASIX's calls. */
#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>

#include "wasix.h"

#define EVENTS_AT_ONCE 64

static int result(int error)
{
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}

int epoll_create1(int flags)
{
    int fd = -1;
    if (flags & ~EPOLL_CLOEXEC)
        return result(EINVAL);
    return result(wasix_epoll_create(&fd)) ? -1 : fd;
}

int epoll_create(int size)
{
    return size > 0 ? epoll_create1(0) : result(EINVAL);
}

int epoll_ctl(int instance, int operation, int fd, struct epoll_event *event)
{
    static const int operations[] = {
        [EPOLL_CTL_ADD] = WASIX_EPOLL_ADD,
        [EPOLL_CTL_DEL] = WASIX_EPOLL_DELETE,
        [EPOLL_CTL_MOD] = WASIX_EPOLL_MODIFY,
    };
    struct wasix_event wanted = {0};
    if (operation < EPOLL_CTL_ADD || operation > EPOLL_CTL_MOD)
        return result(EINVAL);
    if (operation != EPOLL_CTL_DEL && !event)
        return result(EFAULT);
    if (operation != EPOLL_CTL_DEL)
        wanted = (struct wasix_event){.events = event->events, .data = {event->data.u64}};
    return result(wasix_epoll_ctl(instance, operations[operation], fd, &wanted));
}

/* At most so many in one call as there is room for on the stack: who asks for more asks again. */
int epoll_wait(int instance, struct epoll_event *events, int count, int timeout_ms)
{
    struct wasix_event told[EVENTS_AT_ONCE];
    size_t room = count > EVENTS_AT_ONCE ? EVENTS_AT_ONCE : (size_t)count, done = 0;
    uint64_t timeout_ns = timeout_ms < 0 ? UINT64_MAX : (uint64_t)timeout_ms * 1000000u;
    if (count <= 0)
        return result(EINVAL);
    if (result(wasix_epoll_wait(instance, told, room, timeout_ns, &done)))
        return -1;
    for (size_t i = 0; i < done; i++)
        events[i] = (struct epoll_event){.events = told[i].events, .data = {.u64 = told[i].data[0]}};
    return (int)done;
}
