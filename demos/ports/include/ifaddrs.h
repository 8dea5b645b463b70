/* Programs do not see the machine's interfaces. */
#ifndef PORTS_IFADDRS_H
#define PORTS_IFADDRS_H
#include <errno.h>
#include <sys/socket.h>

struct ifaddrs {
    struct ifaddrs *ifa_next;
    char *ifa_name;
    unsigned ifa_flags;
    struct sockaddr *ifa_addr, *ifa_netmask;
};

static inline int getifaddrs(struct ifaddrs **list)
{
    (void)list;
    errno = ENOSYS;
    return -1;
}

static inline void freeifaddrs(struct ifaddrs *list)
{
    (void)list;
}
#endif
