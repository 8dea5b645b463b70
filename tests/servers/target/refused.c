/* Asks for one thing of each permission, none of which it was granted: each is an error, and the log names the
 * permission, which the test looks for. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <tessera.h>

#include "demos/lib/check.h"

/* WASIX: an IPv4 stream socket. */
__attribute__((import_module("wasix_32v1"), import_name("sock_open"))) int sock_open(uint32_t family, uint32_t type,
                                                                                     uint32_t protocol, uint32_t *fd);
__attribute__((import_module("wasix_32v1"), import_name("sock_connect"))) int sock_connect(uint32_t fd,
                                                                                           const void *address);

static int connect_somewhere(void)
{
    unsigned char address[32] = {1, 0, 80, 0, 10, 0, 0, 1}; /* inet4, port 80, 10.0.0.1 */
    uint32_t fd;
    int error = sock_open(1, 1, 6, &fd);
    return error ? error : sock_connect(fd, address);
}

static int spawn(const char *name, uint32_t *pid)
{
    struct tessera_process_handles handles;
    int error = tessera_proc_spawn(name, (uint32_t)strlen(name), 0, "", 0, "", 0, 2, 1, 1, ".", 1, &handles);
    *pid = handles.pid;
    return error;
}

/* A child without permissions asks for the same, and one is not even there for lack of memory. */
static int parent(void)
{
    struct check check = {0};
    struct tessera_option_pid which = {1, 0};
    struct tessera_join_status status;
    check_group(&check, "parent");
    check_u64(&check, "memory", TESSERA_ENOMEM, (uint64_t)spawn("small", &which.pid));
    check_u64(&check, "a child", 0, (uint64_t)spawn("bare", &which.pid));
    check_u64(&check, "it ends", 0, (uint64_t)tessera_proc_join(&which, 0, &status));
    check_true(&check, "was refused everything", status.type == TESSERA_JOIN_EXIT_NORMAL && status.exit_code == 0);
    return check_finish(&check, "parent");
}

int main(int argc, char **argv)
{
    struct check check = {0};
    uint32_t pid;
    if (argc > 1 && strcmp(argv[1], "parent") == 0)
        return parent();
    struct timespec now;
    unsigned char bytes[8];
    uint32_t handle;
    check_group(&check, "refused");
    check_true(&check, "fs", open("/data/file", O_RDONLY) == -1);
    check_u64(&check, "net", ENOTCAPABLE, (uint64_t)connect_somewhere());
    check_u64(&check, "channel.connect", ENOTCAPABLE, (uint64_t)tessera_channel_connect("c", 1, &handle));
    check_u64(&check, "channel.serve", ENOTCAPABLE, (uint64_t)tessera_channel_listen("c", 1, &handle));
    check_u64(&check, "service.connect", ENOTCAPABLE, (uint64_t)tessera_service_open("s", 1, &handle));
    check_u64(&check, "service.serve", ENOTCAPABLE, (uint64_t)tessera_service_listen("s", 1, &handle));
    check_u64(&check, "spawn", ENOTCAPABLE, (uint64_t)spawn("refused", &pid));
    check_true(&check, "clock", clock_gettime(CLOCK_REALTIME, &now) == -1 && errno == ENOTCAPABLE);
    check_true(&check, "random", getentropy(bytes, sizeof(bytes)) == -1 && errno == ENOTCAPABLE);
    return check_finish(&check, "refused");
}
