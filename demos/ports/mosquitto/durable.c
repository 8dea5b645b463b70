/* Mosquitto answers a client in one part of its loop and saves in the next (src/loop.c). With these functions around
 * what it calls (the linker's --wrap) no answer leaves before the save, a save stays, and one that failed does not
 * take the place of the last good one: docs/mosquitto.md. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mosquitto_broker_internal.h"

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_fclose(FILE *file);
int __wrap_fclose(FILE *file);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_persist__backup(bool is_end);
int __wrap_persist__backup(bool is_end);

/* What went wrong with the file that is being written, 0: nothing. Mosquitto does not ask after all that it writes. */
static int write_error;

/* Its sockets send when it waits for what comes next; connections that it accepts do as their listener does. */
int __wrap_socket(int domain, int type, int protocol)
{
    int fd = __real_socket(domain, type, protocol), one = 1;
    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_HOLD, &one, sizeof(one)); /* of TCP only */
    return fd;
}

int __wrap_fsync(int fd)
{
    int failed = __real_fsync(fd);
    if (failed)
        write_error = errno;
    return failed;
}

int __wrap_fclose(FILE *file)
{
    bool is_bad = ferror(file);
    int failed = __real_fclose(file);
    if (failed)
        write_error = errno;
    else if (is_bad && !write_error)
        write_error = EIO; /* what it was has been in the log when it happened */
    return failed;
}

static int folder_sync(const char *path)
{
    char folder[1024];
    const char *end = strrchr(path, '/');
    if (!end || (size_t)(end - path) + 2 > sizeof(folder))
        return 0;
    memcpy(folder, path, (size_t)(end - path) + 1);
    folder[end - path + 1] = 0;
    int fd = open(folder, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return -1;
    int failed = __real_fsync(fd);
    close(fd);
    return failed;
}

/* Only a whole file takes the place of the last one. The new name is on the disk, too, as POSIX has it when the folder
 * is synced. */
int __wrap_rename(const char *from, const char *to)
{
    if (write_error) {
        errno = write_error;
        return -1;
    }
    return __real_rename(from, to) ? -1 : folder_sync(to);
}

/* When what is acknowledged must be on the disk and cannot be, the answers that are held back must never leave. An
 * orderly end would send them. */
int __wrap_persist__backup(bool is_end)
{
    write_error = 0;
    int failed = __real_persist__backup(is_end);
    if (failed && !is_end && db.config->autosave_on_changes) {
        fprintf(stderr, "Error: what clients have sent could not be saved, and is not acknowledged. Mosquitto stops; "
                        "what it saved before"
                        " is whole. Start it again with room on its disk.\n");
        __builtin_trap();
    }
    return failed;
}
