/* A program for tests/net/deaths.py that waits for the network in one of many ways when the net server dies: what waits
 * for a peer ends with an error, what waits for anybody goes on with the next net server.
 *
 *   deaths WAY
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEER   "10.0.0.3" /* takes connections, and says nothing */
#define SILENT "10.0.0.6" /* answers nothing */

static char data[4096];

static void fail(const char *what)
{
    printf("deaths: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void waits(const char *way)
{
    printf("deaths: %s: waits\n", way);
}

static struct sockaddr_in address(const char *host, int port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, host, &in.sin_addr);
    return in;
}

static int connection(void)
{
    struct sockaddr_in peer = address(PEER, 443);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&peer, sizeof(peer)))
        fail("connecting");
    return fd;
}

static int bound(int type, int port)
{
    struct sockaddr_in own = address("0.0.0.0", port);
    int fd = socket(AF_INET, type, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own)) || (type == SOCK_STREAM && listen(fd, 4)))
        fail("a port");
    return fd;
}

/* What ends, ends with this error. */
static int ended(ssize_t result, int wanted)
{
    return result < 0 && errno == wanted;
}

static int try_recv(const char *way)
{
    int fd = connection();
    waits(way);
    return ended(recv(fd, data, sizeof(data), 0), ECONNRESET) && ended(send(fd, data, 1, 0), ECONNRESET);
}

static int try_send(const char *way)
{
    int fd = connection();
    ssize_t sent;
    waits(way);
    while ((sent = send(fd, data, sizeof(data), 0)) == sizeof(data)) /* until the ring is full */
        ;
    if (sent > 0) /* a part */
        sent = send(fd, data, sizeof(data), 0);
    return ended(sent, ECONNRESET) && ended(recv(fd, data, 1, 0), ECONNRESET);
}

static int try_poll(const char *way)
{
    struct pollfd polled[] = {{connection(), POLLIN, 0}, {bound(SOCK_STREAM, 70), POLLIN, 0}};
    waits(way);
    return poll(polled, 2, -1) == 1 && polled[0].revents && !polled[1].revents &&
           ended(recv(polled[0].fd, data, 1, 0), ECONNRESET);
}

static int try_epoll(const char *way)
{
    int instance = epoll_create1(0), fd = connection();
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    if (epoll_ctl(instance, EPOLL_CTL_ADD, fd, &event))
        fail("epoll_ctl");
    waits(way);
    return epoll_wait(instance, &event, 1, -1) == 1 && event.data.fd == fd && (event.events & EPOLLERR) &&
           ended(recv(fd, data, 1, 0), ECONNRESET);
}

static int try_accept(const char *way)
{
    int fd = bound(SOCK_STREAM, 71);
    waits(way);
    return accept(fd, NULL, NULL) >= 0;
}

static int try_poll_listener(const char *way)
{
    struct pollfd polled = {bound(SOCK_STREAM, 72), POLLIN, 0};
    waits(way);
    return poll(&polled, 1, -1) == 1 && polled.revents == POLLIN && accept(polled.fd, NULL, NULL) >= 0;
}

static int try_epoll_listener(const char *way)
{
    int instance = epoll_create1(0), fd = bound(SOCK_STREAM, 73);
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    if (epoll_ctl(instance, EPOLL_CTL_ADD, fd, &event))
        fail("epoll_ctl");
    waits(way);
    return epoll_wait(instance, &event, 1, -1) == 1 && event.events == EPOLLIN && accept(fd, NULL, NULL) >= 0;
}

static int try_connect(const char *way)
{
    struct sockaddr_in peer = address(SILENT, 443);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    waits(way);
    return ended(connect(fd, (struct sockaddr *)&peer, sizeof(peer)), ECONNABORTED);
}

static int try_poll_connect(const char *way)
{
    struct sockaddr_in peer = address(SILENT, 443);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), error = 0;
    socklen_t bytes = sizeof(error);
    if (connect(fd, (struct sockaddr *)&peer, sizeof(peer)) == 0 || errno != EINPROGRESS)
        fail("connecting");
    struct pollfd polled = {fd, POLLOUT, 0};
    waits(way);
    return poll(&polled, 1, -1) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 &&
           error == ECONNABORTED;
}

static int try_getaddrinfo(const char *way)
{
    struct addrinfo *list;
    waits(way);
    return getaddrinfo("silent.example", NULL, NULL, &list) == EAI_AGAIN;
}

/* Whoever calls at this port, may as well call the next net server. */
static int try_recvfrom(const char *way)
{
    int fd = bound(SOCK_DGRAM, 7);
    waits(way);
    return recvfrom(fd, data, sizeof(data), 0, NULL, NULL) == 5 && memcmp(data, "salve", 5) == 0;
}

/* The answer that is waited for will not come: it would go to a port of the last net server's. Then it can be asked
 * again. */
static int try_answer(const char *way)
{
    struct sockaddr_in peer = address(PEER, 443);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (sendto(fd, data, 1, 0, (struct sockaddr *)&peer, sizeof(peer)) != 1)
        fail("sendto");
    waits(way);
    return ended(recvfrom(fd, data, sizeof(data), 0, NULL, NULL), ENETDOWN) &&
           sendto(fd, data, 1, 0, (struct sockaddr *)&peer, sizeof(peer)) == 1 &&
           ended(recvfrom(fd, data, sizeof(data), MSG_DONTWAIT, NULL, NULL), EAGAIN);
}

static int try_poll_answer(const char *way)
{
    struct sockaddr_in peer = address(PEER, 443);
    struct pollfd polled = {bound(SOCK_DGRAM, 8), POLLIN, 0};
    if (connect(polled.fd, (struct sockaddr *)&peer, sizeof(peer)))
        fail("a datagram socket's peer");
    waits(way);
    return poll(&polled, 1, -1) == 1 && ended(recv(polled.fd, data, sizeof(data), 0), ENETDOWN) &&
           connect(polled.fd, (struct sockaddr *)&peer, sizeof(peer)) == 0 && send(polled.fd, data, 1, 0) == 1;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *way;
        int (*try)(const char *);
    } ways[] = {{"recv", try_recv},
                {"send", try_send},
                {"poll", try_poll},
                {"epoll", try_epoll},
                {"accept", try_accept},
                {"poll-listener", try_poll_listener},
                {"epoll-listener", try_epoll_listener},
                {"connect", try_connect},
                {"poll-connect", try_poll_connect},
                {"getaddrinfo", try_getaddrinfo},
                {"recvfrom", try_recvfrom},
                {"answer", try_answer},
                {"poll-answer", try_poll_answer}};
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; argc == 2 && i < sizeof(ways) / sizeof(ways[0]); i++)
        if (strcmp(argv[1], ways[i].way) == 0) {
            int is_good = ways[i].try(argv[1]);
            printf("deaths: %s: %s: %s\n", argv[1], is_good ? "good" : "WRONG", strerror(errno));
            return !is_good;
        }
    return 2;
}
