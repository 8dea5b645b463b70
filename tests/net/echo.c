/* A server of echoes for tests/net: TCP with poll, UDP beside it. A connection that sends "quit\n" ends it. Who does
 * not take his echo is not read until he does, and holds up nobody else.
 *
 *   echo PORT [IPv6 [CLIENTS]]
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
#define MOST    1024

static struct pollfd polled[MOST + 2];
static struct echo {
    char *data; /* NULL: all was taken */
    size_t at, end;
} echoes[MOST + 2]; /* what a client has not taken yet */
static nfds_t count = 2, most = CLIENTS + 2;

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
        if (count == most) {
            close(fd);
            continue;
        }
        if (getpeername(fd, (struct sockaddr *)&same, &same_bytes) || fcntl(fd, F_SETFL, O_NONBLOCK) ||
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
    free(echoes[i].data);
    close(polled[i].fd);
    polled[i] = polled[--count];
    echoes[i] = echoes[count];
    echoes[count] = (struct echo){0};
}

static void client_fail(nfds_t i)
{
    printf("echo: a client: %s\n", strerror(errno));
    client_close(i);
}

/* Of `bytes` how many it takes now; -1: it has failed. */
static ssize_t client_give(nfds_t i, const char *data, size_t bytes)
{
    size_t sent = 0;
    while (sent < bytes) {
        ssize_t part = write(polled[i].fd, data + sent, bytes - sent);
        if (part < 0 && errno == EAGAIN)
            break;
        if (part < 0)
            return -1;
        sent += (size_t)part;
    }
    return (ssize_t)sent;
}

static void client_keep(nfds_t i, const char *data, size_t bytes)
{
    echoes[i] = (struct echo){malloc(bytes), 0, bytes};
    if (!echoes[i].data)
        fail("an echo");
    memcpy(echoes[i].data, data, bytes);
    polled[i].events = POLLOUT;
}

static void client_go_on(nfds_t i)
{
    struct echo *echo = &echoes[i];
    ssize_t sent = client_give(i, echo->data + echo->at, echo->end - echo->at);
    if (sent < 0) {
        client_fail(i);
        return;
    }
    echo->at += (size_t)sent;
    if (echo->at < echo->end)
        return;
    free(echo->data);
    *echo = (struct echo){0};
    polled[i].events = POLLIN;
}

static void client_serve(nfds_t i)
{
    static char data[65536];
    ssize_t got = read(polled[i].fd, data, sizeof(data)), sent;
    if (got < 0 && errno == EAGAIN)
        return;
    if (got < 0) {
        client_fail(i);
        return;
    }
    if (got == 0) {
        client_close(i);
        return;
    }
    if (got == 5 && memcmp(data, "quit\n", 5) == 0) {
        printf("echo: done\n");
        exit(0);
    }
    if ((sent = client_give(i, data, (size_t)got)) < 0)
        client_fail(i);
    else if (sent < got)
        client_keep(i, data + sent, (size_t)(got - sent));
}

static void datagram_serve(int fd)
{
    char data[2048];
    struct sockaddr_storage peer;
    socklen_t bytes = sizeof(peer);
    ssize_t got;
    while ((got = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&peer, &bytes)) >= 0) {
        if (got > 0 && sendto(fd, data, (size_t)got, 0, (struct sockaddr *)&peer, bytes) != got)
            fail("sendto");
        bytes = sizeof(peer);
    }
    if (errno != EAGAIN)
        fail("recvfrom");
}

int main(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 7, is_6 = argc > 2, clients = argc > 3 ? atoi(argv[3]) : CLIENTS;
    if (clients < 1 || clients > MOST)
        return 1;
    most = (nfds_t)clients + 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    polled[0] = (struct pollfd){.fd = open_socket(SOCK_STREAM, port, is_6), .events = POLLIN};
    polled[1] = (struct pollfd){.fd = open_socket(SOCK_DGRAM, port, is_6), .events = POLLIN};
    printf("echo: listening\n");
    for (;;) {
        if (poll(polled, count, -1) < 0)
            fail("poll");
        for (nfds_t i = count; i > 2; i--)
            if (polled[i - 1].revents)
                echoes[i - 1].data ? client_go_on(i - 1) : client_serve(i - 1);
        if (polled[0].revents)
            client_accept(polled[0].fd);
        if (polled[1].revents)
            datagram_serve(polled[1].fd);
    }
}
