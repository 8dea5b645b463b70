/* Terminals have no modes that a program could set. */
#ifndef PORTS_TERMIOS_H
#define PORTS_TERMIOS_H
#include <errno.h>

#define ECHO      010
#define TCSANOW   0
#define TCSAFLUSH 2

struct termios {
    unsigned c_iflag, c_oflag, c_cflag, c_lflag;
};

static inline int tcgetattr(int fd, struct termios *modes)
{
    (void)fd, (void)modes;
    errno = ENOTTY;
    return -1;
}

static inline int tcsetattr(int fd, int when, const struct termios *modes)
{
    (void)fd, (void)when, (void)modes;
    errno = ENOTTY;
    return -1;
}
#endif
