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

static int spawn(void)
{
    struct tessera_process_handles handles;
    return tessera_proc_spawn("refused", 7, 0, "", 0, "", 0, 2, 2, 2, ".", 1, &handles);
}

int main(void)
{
    struct check check = {0};
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
    check_u64(&check, "spawn", ENOTCAPABLE, (uint64_t)spawn());
    check_true(&check, "clock", clock_gettime(CLOCK_REALTIME, &now) == -1 && errno == ENOTCAPABLE);
    check_true(&check, "random", getentropy(bytes, sizeof(bytes)) == -1 && errno == ENOTCAPABLE);
    return check_finish(&check, "refused");
}
