/* What the load on TCP itself is measured against; the same program natively on Linux.
 *
 *     server
 *
 * Port 7 sends back what comes; 9 reads to the end, then answers with a byte; 19 reads a 32-bit number in the order of
 * the network and sends so many bytes. One event loop, on epoll.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define DESCRIPTORS  64
#define BUFFER_BYTES 16384
#define EVENTS       16

enum role { ECHO, DISCARD, GENERATE, ROLES };
static const int ports[ROLES] = {7, 9, 19};

static struct {
    enum role role;
    int is_listener;
    uint32_t left; /* GENERATE: bytes to be sent */
} sockets[DESCRIPTORS];
static int instance;
static char buffer[BUFFER_BYTES];

static void fail(const char *what)
{
    fprintf(stderr, "server: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void watch(int fd, enum role role, int is_listener)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    if (fd >= DESCRIPTORS || fcntl(fd, F_SETFL, O_NONBLOCK) || epoll_ctl(instance, EPOLL_CTL_ADD, fd, &event))
        fail("watch");
    sockets[fd].role = role;
    sockets[fd].is_listener = is_listener;
    sockets[fd].left = 0;
}

static void listen_on(enum role role)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)ports[role])};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        bind(fd, (struct sockaddr *)&in, sizeof(in)) || listen(fd, 64))
        fail("listen");
    watch(fd, role, 1);
}

static void accept_all(int listener)
{
    int fd, on = 1;
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        watch(fd, sockets[listener].role, 0);
    }
    if (errno != EAGAIN)
        fail("accept");
}

/* True when the connection has come to its end. */
static int echo(int fd)
{
    ssize_t got = read(fd, buffer, sizeof(buffer));
    return got == 0 || (got < 0 && errno != EAGAIN) || (got > 0 && write(fd, buffer, (size_t)got) != got);
}

static int discard(int fd)
{
    ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got == 0)
        (void)!write(fd, buffer, 1);
    return got == 0 || (got < 0 && errno != EAGAIN);
}

static int generate(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    uint32_t wanted = 0;
    if (sockets[fd].left == 0) {
        if (read(fd, &wanted, sizeof(wanted)) != sizeof(wanted))
            return 1;
        sockets[fd].left = ntohl(wanted);
    }
    while (sockets[fd].left > 0) {
        size_t part = sockets[fd].left < sizeof(buffer) ? sockets[fd].left : sizeof(buffer);
        ssize_t sent = write(fd, buffer, part);
        if (sent < 0 && errno != EAGAIN)
            return 1;
        if (sent <= 0)
            break;
        sockets[fd].left -= (uint32_t)sent;
    }
    event.events = sockets[fd].left ? EPOLLOUT : EPOLLIN;
    return epoll_ctl(instance, EPOLL_CTL_MOD, fd, &event) != 0;
}

static void serve(int fd)
{
    static int (*const roles[ROLES])(int fd) = {echo, discard, generate};
    if (sockets[fd].is_listener)
        accept_all(fd);
    else if (roles[sockets[fd].role](fd))
        close(fd);
}

int main(void)
{
    struct epoll_event events[EVENTS];
    if ((instance = epoll_create1(0)) < 0)
        fail("epoll_create1");
    for (int role = 0; role < ROLES; role++)
        listen_on((enum role)role);
    for (;;) {
        int count = epoll_wait(instance, events, EVENTS, -1);
        if (count < 0)
            fail("epoll_wait");
        for (int i = 0; i < count; i++)
            serve(events[i].data.fd);
    }
}
