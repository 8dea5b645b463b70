/* A client for tests/net/names.py: names of both families, what a grant by name allows, waiting that ends, keep-alive.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int failures;

static void check(const char *what, int is_good)
{
    printf("names: %s: %s\n", what, is_good ? "ok" : "FAILED");
    failures += !is_good;
}

static struct addrinfo *look_up(const char *name, int family)
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM}, *list = NULL;
    int error = getaddrinfo(name, "443", &hints, &list);
    return error ? NULL : list;
}

static int families(const struct addrinfo *list)
{
    int found = 0;
    for (; list; list = list->ai_next)
        found |= list->ai_family == AF_INET ? 4 : list->ai_family == AF_INET6 ? 6 << 4 : 1 << 8;
    return found;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Nothing comes: reading ends after the time that was set. */
static void time_try(int fd)
{
    struct timeval wait = {0, 300000}, told = {0};
    socklen_t bytes = sizeof(told);
    char byte;
    check("a time-out can be set", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) == 0 &&
                                       setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) == 0);
    check("and asked for", getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &told, &bytes) == 0 && told.tv_usec == 300000);
    double start = seconds();
    check("reading ends", recv(fd, &byte, 1, 0) < 0 && errno == EAGAIN);
    check("after that time", seconds() - start >= 0.29 && seconds() - start < 5);
}

static void fill(int fd)
{
    static char data[4096];
    ssize_t sent;
    while ((sent = send(fd, data, sizeof(data), 0)) > 0)
        ;
    check("so does writing to a peer that does not read", sent < 0 && errno == EAGAIN);
}

/* The peer is silent: it is asked whether it is there, and then it counts as gone. */
static void keep_alive_try(int fd)
{
    int one = 1, two = 2, told = 0;
    struct timeval for_ever = {0};
    socklen_t bytes = sizeof(told);
    char byte;
    check("keep-alive can be set", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) == 0 &&
                                       setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &one, sizeof(one)) == 0 &&
                                       setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &one, sizeof(one)) == 0 &&
                                       setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &two, sizeof(two)) == 0);
    check("and asked for", getsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &told, &bytes) == 0 && told == 2);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &for_ever, sizeof(for_ever));
    printf("names: silence\n");
    check("a silent peer counts as gone", recv(fd, &byte, 1, 0) < 0 && (errno == ECONNRESET || errno == ETIMEDOUT));
}

static int connect_to(const char *name, int family)
{
    struct addrinfo *list = look_up(name, family);
    int fd = socket(family, SOCK_STREAM, 0);
    if (!list || fd < 0)
        return -1;
    int error = connect(fd, list->ai_addr, list->ai_addrlen) ? errno : 0;
    freeaddrinfo(list);
    if (error)
        close(fd);
    errno = error;
    return error ? -1 : fd;
}

/* By now this machine has an address of the prefix that the router told it. */
static void version_6_try(void)
{
    struct sockaddr_in6 own;
    socklen_t bytes = sizeof(own);
    char text[INET6_ADDRSTRLEN] = "";
    int fd = connect_to("six.example", AF_INET6);
    check("what a name of IPv6 is granted", fd >= 0);
    check("a word over IPv6", send(fd, "salve", 5, 0) == 5);
    check("from an address of its network", getsockname(fd, (struct sockaddr *)&own, &bytes) == 0 &&
                                                inet_ntop(AF_INET6, &own.sin6_addr, text, sizeof(text)) &&
                                                strncmp(text, "fd00::", 6) == 0);
    close(fd);
    check("an IPv6 address that no granted name stands for",
          connect_to("www.test", AF_INET6) < 0 && errno == ENOTCAPABLE);
    fd = connect_to("fd00::6", AF_INET6);
    check("an IPv6 address that is granted itself", fd >= 0);
    close(fd);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    check("both families", families(look_up("www.example", AF_UNSPEC)) == (4 | 6 << 4));
    check("IPv4 alone", families(look_up("www.example", AF_INET)) == 4);
    check("IPv6 alone", families(look_up("www.example", AF_INET6)) == 6 << 4);
    check("a name of one family", families(look_up("four.example", AF_UNSPEC)) == 4);
    check("no such name", !look_up("none.example", AF_UNSPEC));
    check("an address that no granted name stands for", connect_to("www.test", AF_INET) < 0 && errno == ENOTCAPABLE);
    check("nor when it is asked for again at once", connect_to("www.test", AF_INET) < 0 && errno == ENOTCAPABLE);
    check("a name that stands for this machine", connect_to("local.example", AF_INET) < 0 && errno == ENOTCAPABLE);
    check("an address dressed as a granted name", !look_up("127.0.0.1 x.example", AF_INET));
    check("a name with what no name has in it",
          !look_up("a b.example", AF_INET) && !look_up("\303\244.example", AF_INET));
    int fd = connect_to("www.example", AF_INET);
    check("what a name is granted", fd >= 0);
    check("a word", send(fd, "salve", 5, 0) == 5);
    time_try(fd);
    fill(fd);
    close(fd);
    fd = connect_to("four.example", AF_INET);
    check("another name of the same domain", fd >= 0);
    keep_alive_try(fd);
    version_6_try();
    printf("names: %d failures\n", failures);
    return failures != 0;
}
