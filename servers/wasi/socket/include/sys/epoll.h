/* epoll, on WASIX's calls. A descriptor is watched by one instance at most; the numbers are WASIX's. */
#ifndef SOCKET_SYS_EPOLL_H
#define SOCKET_SYS_EPOLL_H

#include <stdint.h>

#define EPOLLIN      (1u << 0)
#define EPOLLOUT     (1u << 1)
#define EPOLLRDHUP   (1u << 2)
#define EPOLLPRI     (1u << 3) /* never told */
#define EPOLLERR     (1u << 4)
#define EPOLLHUP     (1u << 5)
#define EPOLLET      (1u << 6)
#define EPOLLONESHOT (1u << 7)

#define EPOLL_CLOEXEC 0x2000 /* programs are not replaced by others here */

#define EPOLL_CTL_ADD 1
#define EPOLL_CTL_DEL 2
#define EPOLL_CTL_MOD 3

typedef union epoll_data {
    void *ptr;
    int fd;
    uint32_t u32;
    uint64_t u64;
} epoll_data_t;

struct epoll_event {
    uint32_t events;
    epoll_data_t data;
};

#ifdef __cplusplus
extern "C" {
#endif
int epoll_create(int size);
int epoll_create1(int flags);
int epoll_ctl(int instance, int operation, int fd, struct epoll_event *event);
int epoll_wait(int instance, struct epoll_event *events, int count, int timeout_ms);
#ifdef __cplusplus
}
#endif

#endif
