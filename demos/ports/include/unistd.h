/* Users and processes: every program is user 1, and there is no fork. */
#ifndef PORTS_UNISTD_H
#define PORTS_UNISTD_H
#include_next <unistd.h>
#include <errno.h>
#include <sys/types.h>

static inline uid_t getuid(void)
{
    return 1;
}

static inline uid_t geteuid(void)
{
    return 1;
}

static inline gid_t getgid(void)
{
    return 1;
}

static inline gid_t getegid(void)
{
    return 1;
}

static inline int setuid(uid_t user)
{
    (void)user;
    errno = EPERM;
    return -1;
}

static inline int setgid(gid_t group)
{
    (void)group;
    errno = EPERM;
    return -1;
}

static inline pid_t fork(void)
{
    errno = ENOSYS;
    return -1;
}

static inline pid_t setsid(void)
{
    errno = ENOSYS;
    return -1;
}
#endif
