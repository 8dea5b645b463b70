/* wasi-libc's emulated signals, which a program can only send to itself; so blocking them has nothing to do. */
#ifndef PORTS_SIGNAL_H
#define PORTS_SIGNAL_H
#include_next <signal.h>

typedef unsigned char ports_sigset;
#define sigset_t ports_sigset

#define SIG_BLOCK   0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2

static inline int sigemptyset(sigset_t *set)
{
    *set = 0;
    return 0;
}

static inline int sigaddset(sigset_t *set, int signal)
{
    (void)set, (void)signal;
    return 0;
}

static inline int sigprocmask(int how, const sigset_t *set, sigset_t *before)
{
    (void)how, (void)set;
    if (before)
        *before = 0;
    return 0;
}
#endif
