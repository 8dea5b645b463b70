/* Mosquitto answers a client in one part of its loop and saves in the next (src/loop.c). With these two functions
 * around what it calls (the linker's --wrap) no answer leaves before the save, and a save stays: docs/mosquitto.md. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

/* Its sockets send when it waits for what comes next; connections that it accepts do as their listener does. */
int __wrap_socket(int domain, int type, int protocol)
{
    int fd = __real_socket(domain, type, protocol), one = 1;
    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_HOLD, &one, sizeof(one)); /* of TCP only */
    return fd;
}

/* The new name is on the disk, too, as POSIX has it when the folder is synced. */
int __wrap_rename(const char *from, const char *to)
{
    char folder[1024];
    const char *end = strrchr(to, '/');
    if (__real_rename(from, to))
        return -1;
    if (!end || (size_t)(end - to) + 2 > sizeof(folder))
        return 0;
    memcpy(folder, to, (size_t)(end - to) + 1);
    folder[end - to + 1] = 0;
    int fd = open(folder, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return -1;
    int failed = fsync(fd);
    close(fd);
    return failed;
}
