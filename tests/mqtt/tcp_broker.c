/* The demo's broker on a loopback TCP port, for tests with clients that nobody here wrote.
 *
 *     tcp_broker IDLE_MS
 *
 * Prints the port it chose. Ends when the last client has been gone for IDLE_MS.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "demos/mqtt/loop.h"
#include "expect.h"

static int listen_on_loopback(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 128) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return -1;
    *port = ntohs(address.sin_port);
    return fd;
}

int main(int argc, char **argv)
{
    static struct broker broker;
    uint64_t idle_ms = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000;
    uint16_t port = 0;
    signal(SIGPIPE, SIG_IGN);
    int listener = listen_on_loopback(&port);
    EXPECT(listener >= 0 && broker_init(&broker, &broker_default_limits));
    printf("port %u\n", port);
    fflush(stdout);
    EXPECT(loop_run(&broker, &listener, 1, idle_ms * 1000000) == 0);
    EXPECT(broker.connection_count == 0 && broker.stats.dropped == 0);
    close(listener);
    broker_destroy(&broker);
    return expect_finish();
}
