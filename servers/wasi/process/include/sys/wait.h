/* POSIX's <sys/wait.h>: what became of children. */
#ifndef TESSERA_SYS_WAIT_H
#define TESSERA_SYS_WAIT_H

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WNOHANG 1

#define WEXITSTATUS(status) (((status) >> 8) & 0xff)
#define WTERMSIG(status)    ((status)&0x7f)
#define WIFEXITED(status)   (WTERMSIG(status) == 0)
#define WIFSIGNALED(status) (WTERMSIG(status) != 0)
#define WIFSTOPPED(status)  0

/* Of `pid` a number, or -1: any; groups of processes do not exist (EINVAL). */
pid_t waitpid(pid_t pid, int *status, int options);
pid_t wait(int *status);

#ifdef __cplusplus
}
#endif

#endif
