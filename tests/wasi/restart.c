/* The file server dies, again and again: a file that was open answers EIO from then on and nothing else, a preopened
 * directory works again. Preopened: 3 "/home". The description gives the server a deadline, after which it is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <wasi/api.h>

#include "demos/lib/check.h"

#define DEATHS 3

static struct check check;

/* Until the server dies under it; the error that says so. */
static int write_until_error(int fd)
{
    char text[512];
    memset(text, 'x', sizeof(text));
    for (int i = 0; i < 100000000; i++)
        if (pwrite(fd, text, sizeof(text), 0) != (ssize_t)sizeof(text))
            return errno;
    return 0;
}

int main(void)
{
    check_group(&check, "restart");
    for (int i = 0; i < DEATHS; i++) {
        struct __wasi_filestat_t stat;
        char byte;
        int fd = open("/home/file", O_CREAT | O_RDWR, 0600);
        for (int tries = 0; fd < 0 && errno == EIO && tries < 3; tries++)
            fd = open("/home/file", O_CREAT | O_RDWR, 0600);
        check_true(&check, "opened", fd >= 0);
        check_u64(&check, "the server dies", EIO, (uint64_t)write_until_error(fd));
        check_u64(&check, "the file is no more", EIO, (uint64_t)(pread(fd, &byte, 1, 0) < 0 ? errno : 0));
        check_u64(&check, "and stays so", EIO, (uint64_t)(pwrite(fd, &byte, 1, 0) < 0 ? errno : 0));
        check_u64(&check, "nor its status", __WASI_ERRNO_IO, __wasi_fd_filestat_get((__wasi_fd_t)fd, &stat));
        check_u64(&check, "it can be closed", 0, (uint64_t)close(fd));
        check_true(&check, "the directory is there", access("/home", F_OK) == 0);
        check_u64(&check, "a sync tells what was lost", __WASI_ERRNO_IO, __wasi_fd_sync(3));
        check_u64(&check, "once", 0, __wasi_fd_sync(3));
        check_true(&check, "memory has forgotten", open("/home/file", O_RDONLY) < 0 && errno == ENOENT);
    }
    return check_finish(&check, "restart");
}
