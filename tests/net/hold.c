/* A program of the machine that is no good neighbour, for tests/net/hold.py. Who connects to port 11 gives it its
 * orders, a byte each; when he leaves, it ends.
 *
 *   l   listens at ports 9 and 10, and never accepts
 *   c   opens CONNECTIONS to PEER, who does not read, and fills each
 *   d   datagrams of 16,000 bytes to NEIGHBOURS who do not answer
 *   x   lets go of all of it
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEER        "10.0.0.1"
#define PEER_PORT   900
#define CONNECTIONS 400
#define NEIGHBOURS  100
#define QUIET_MOST  8

static struct pollfd opened[CONNECTIONS + 1]; /* the first is the master */
static nfds_t count = 1;
static int quiet[QUIET_MOST], quiet_count; /* never looked at again */
static char data[16000];

static void fail(const char *what)
{
    printf("hold: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_in address(const char *host, int port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, host, &in.sin_addr);
    return in;
}

static int listener(int port)
{
    struct sockaddr_in own = address("0.0.0.0", port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own)) || listen(fd, 128))
        fail("listening");
    return fd;
}

static void forget(int fd)
{
    if (quiet_count == QUIET_MOST)
        fail("too many orders");
    quiet[quiet_count++] = fd;
}

/* As many as it gets. */
static void connect_all(void)
{
    struct sockaddr_in peer = address(PEER, PEER_PORT);
    while (count <= CONNECTIONS) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0)
            break;
        if (fcntl(fd, F_SETFL, O_NONBLOCK) ||
            (connect(fd, (struct sockaddr *)&peer, sizeof(peer)) && errno != EINPROGRESS)) {
            close(fd);
            break;
        }
        opened[count++] = (struct pollfd){.fd = fd, .events = POLLOUT};
    }
    printf("hold: %u connections\n", (unsigned)count - 1);
}

static void datagrams_send(void)
{
    char host[INET_ADDRSTRLEN];
    unsigned sent = 0;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK))
        fail("a datagram socket");
    for (unsigned i = 0; i < 4 * NEIGHBOURS; i++) {
        (void)snprintf(host, sizeof(host), "10.0.0.%u", 100 + i % NEIGHBOURS);
        struct sockaddr_in neighbour = address(host, 9);
        sent += sendto(fd, data, sizeof(data), 0, (struct sockaddr *)&neighbour, sizeof(neighbour)) == sizeof(data);
        struct pollfd room = {.fd = fd, .events = POLLOUT};
        (void)poll(&room, 1, 10);
    }
    printf("hold: %u datagrams\n", sent);
    forget(fd);
}

static void let_go(void)
{
    while (count > 1)
        close(opened[--count].fd);
    while (quiet_count > 0)
        close(quiet[--quiet_count]);
    printf("hold: all is let go\n");
}

static void obey(char order)
{
    if (order == 'l') {
        forget(listener(9));
        forget(listener(10));
        printf("hold: two listeners\n");
    } else if (order == 'c') {
        connect_all();
    } else if (order == 'd') {
        datagrams_send();
    } else {
        let_go();
    }
}

/* Writes where there is room; what has failed is let go. */
static void fill(void)
{
    for (nfds_t i = count; i-- > 1;)
        if (opened[i].revents && write(opened[i].fd, data, sizeof(data)) < 0 && errno != EAGAIN) {
            close(opened[i].fd);
            opened[i] = opened[--count];
        }
}

int main(void)
{
    char order;
    setvbuf(stdout, NULL, _IOLBF, 0);
    int orders = listener(11), master;
    printf("hold: ready\n");
    if ((master = accept(orders, NULL, NULL)) < 0 || fcntl(master, F_SETFL, O_NONBLOCK))
        fail("a master");
    opened[0] = (struct pollfd){.fd = master, .events = POLLIN};
    for (;;) {
        ssize_t got = read(master, &order, 1);
        if (got == 1)
            obey(order);
        else if (got == 0 || errno != EAGAIN)
            return 0;
        if (poll(opened, count, -1) < 0)
            fail("poll");
        fill();
    }
}
