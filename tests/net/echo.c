/* A server of echoes for tests/net/net.py: TCP with poll, UDP beside it. A connection that sends "quit\n" ends it.
 *
 *   echo PORT [IPv6]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS 64

static struct pollfd polled[CLIENTS + 2];
static nfds_t count = 2;

static void fail(const char *what)
{
    printf("echo: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_socket(int type, int port, int is_6)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    int fd = socket(is_6 ? AF_INET6 : AF_INET, type, 0), one = 1;
    if (fd < 0)
        fail("socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
        fail("setsockopt");
    if (bind(fd, is_6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in, is_6 ? sizeof(in6) : sizeof(in)))
        fail("bind");
    if (type == SOCK_STREAM && listen(fd, 16))
        fail("listen");
    if (fcntl(fd, F_SETFL, O_NONBLOCK))
        fail("fcntl");
    return fd;
}

static void client_accept(int listener)
{
    struct sockaddr_storage peer, same;
    char host[INET6_ADDRSTRLEN];
    for (;;) {
        socklen_t bytes = sizeof(peer), same_bytes = sizeof(same);
        int fd = accept(listener, (struct sockaddr *)&peer, &bytes), one = 1;
        if (fd < 0 && errno == ECONNABORTED)
            continue;
        if (fd < 0)
            break;
        if (count == CLIENTS + 2) {
            close(fd);
            continue;
        }
        if (getpeername(fd, (struct sockaddr *)&same, &same_bytes) ||
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))) {
            if (errno != ENOTCONN && errno != EINVAL)
                fail("a new client");
            printf("echo: a client: %s\n", strerror(errno)); /* it was reset meanwhile */
            close(fd);
            continue;
        }
        if (same_bytes != bytes || memcmp(&peer, &same, bytes) != 0)
            fail("getpeername: another address");
        const void *address = peer.ss_family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)&peer)->sin6_addr
                                                         : (void *)&((struct sockaddr_in *)&peer)->sin_addr;
        printf("echo: a client from %s\n", inet_ntop(peer.ss_family, address, host, sizeof(host)));
        polled[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
    if (errno != EAGAIN)
        fail("accept");
}

static void client_close(nfds_t i)
{
    close(polled[i].fd);
    polled[i] = polled[--count];
}

static void client_serve(nfds_t i)
{
    static char data[65536];
    ssize_t got = read(polled[i].fd, data, sizeof(data));
    if (got <= 0) {
        if (got < 0)
            printf("echo: a client: %s\n", strerror(errno));
        client_close(i);
        return;
    }
    if (got == 5 && memcmp(data, "quit\n", 5) == 0) {
        printf("echo: done\n");
        exit(0);
    }
    for (ssize_t sent = 0, part; sent < got; sent += part)
        if ((part = write(polled[i].fd, data + sent, (size_t)(got - sent))) < 0) {
            printf("echo: a client: %s\n", strerror(errno));
            client_close(i);
            return;
        }
}

static void datagram_serve(int fd)
{
    char data[2048];
    struct sockaddr_storage peer;
    socklen_t bytes = sizeof(peer);
    ssize_t got;
    while ((got = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&peer, &bytes)) >= 0) {
        if (sendto(fd, data, (size_t)got, 0, (struct sockaddr *)&peer, bytes) != got)
            fail("sendto");
        bytes = sizeof(peer);
    }
    if (errno != EAGAIN)
        fail("recvfrom");
}

int main(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 7, is_6 = argc > 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    polled[0] = (struct pollfd){.fd = open_socket(SOCK_STREAM, port, is_6), .events = POLLIN};
    polled[1] = (struct pollfd){.fd = open_socket(SOCK_DGRAM, port, is_6), .events = POLLIN};
    printf("echo: listening\n");
    for (;;) {
        if (poll(polled, count, -1) < 0)
            fail("poll");
        for (nfds_t i = count; i > 2; i--)
            if (polled[i - 1].revents)
                client_serve(i - 1);
        if (polled[0].revents)
            client_accept(polled[0].fd);
        if (polled[1].revents)
            datagram_serve(polled[1].fd);
    }
}
