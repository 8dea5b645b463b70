/* There are no groups. */
#ifndef PORTS_GRP_H
#define PORTS_GRP_H
#include <errno.h>
#include <sys/types.h>

static inline int initgroups(const char *user, gid_t group)
{
    (void)user, (void)group;
    errno = EPERM;
    return -1;
}
#endif
