/* Files have no owners and modes: who may open one is what the program was granted. */
#ifndef PORTS_SYS_STAT_H
#define PORTS_SYS_STAT_H
#include_next <sys/stat.h>

static inline mode_t umask(mode_t mask)
{
    (void)mask;
    return 0;
}

static inline int chmod(const char *path, mode_t mode)
{
    (void)path, (void)mode;
    return 0;
}
#endif
