/* Talks to the server of echoes on the same machine, and tries what it was not granted: tests/net/local-system.json. */
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

#include <tessera.h>

static int failures;
static char sent[60000], got[60000];

static void check(const char *what, int is_good)
{
    if (is_good)
        return;
    printf("talker: %s: wrong, errno %s\n", what, strerror(errno));
    failures++;
}

static struct sockaddr_in address_4(const char *host, int port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, host, &in.sin_addr);
    return in;
}

static int connect_4(const char *host, int port, int type)
{
    struct sockaddr_in in = address_4(host, port);
    int fd = socket(AF_INET, SOCK_STREAM | type, 0);
    return fd < 0 || (connect(fd, (struct sockaddr *)&in, sizeof(in)) && errno != EINPROGRESS) ? -1 : fd;
}

/* Sends and receives at the same time, without blocking. */
static int echo_all(int fd, size_t bytes)
{
    size_t out = 0, in = 0;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    memset(got, 0, sizeof(got));
    while (in < bytes) {
        struct pollfd polled = {fd, (short)(POLLIN | (out < bytes ? POLLOUT : 0)), 0};
        if (poll(&polled, 1, 10000) != 1)
            return 0;
        ssize_t part = polled.revents & POLLOUT ? write(fd, sent + out, bytes - out) : 0;
        out += part > 0 ? (size_t)part : 0;
        part = polled.revents & POLLIN ? read(fd, got + in, bytes - in) : 0;
        in += part > 0 ? (size_t)part : 0;
    }
    return memcmp(sent, got, bytes) == 0;
}

static void stream_try(void)
{
    int fd = -1, error = 1;
    for (int i = 0; fd < 0 && i < 100; i++) /* until the other program listens */
        if ((fd = connect_4("127.0.0.1", 7, 0)) < 0)
            usleep(20000);
    struct sockaddr_in own, peer;
    socklen_t bytes = sizeof(own), error_bytes = sizeof(error);
    check("connecting", fd >= 0);
    check("an echo of 60,000 bytes", echo_all(fd, sizeof(sent)));
    check("own address", getsockname(fd, (struct sockaddr *)&own, &bytes) == 0 && own.sin_port != 0 &&
                             own.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    check("peer's address", getpeername(fd, (struct sockaddr *)&peer, &bytes) == 0 && peer.sin_port == htons(7));
    check("no error", getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_bytes) == 0 && error == 0);
    check("shutdown", shutdown(fd, SHUT_WR) == 0);
    struct pollfd polled = {fd, POLLIN, 0};
    check("the end comes", poll(&polled, 1, 10000) == 1 && read(fd, got, 1) == 0);
    check("writing after shutdown", write(fd, "a", 1) < 0 && errno == EPIPE);
    close(fd);
}

static void connecting_try(void)
{
    int error = 0, fd = connect_4("127.0.0.1", 7, SOCK_NONBLOCK);
    socklen_t bytes = sizeof(error);
    struct pollfd polled = {fd, POLLOUT, 0};
    check("connecting without waiting", fd >= 0);
    check("it stands", poll(&polled, 1, 10000) == 1 && (polled.revents & POLLOUT));
    check("no error", getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 && error == 0);
    check("a short echo", echo_all(fd, 10));
    close(fd);
    fd = connect_4("127.0.0.1", 9, SOCK_NONBLOCK);
    polled = (struct pollfd){fd, POLLOUT, 0};
    check("nobody there", fd >= 0 && poll(&polled, 1, 10000) == 1);
    check("refused", getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 && error == ECONNREFUSED);
    close(fd);
    errno = 0;
    check("refused at once", connect_4("127.0.0.1", 9, 0) < 0 && errno == ECONNREFUSED);
}

static void six_try(void)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(7), .sin6_addr = in6addr_loopback};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    check("IPv6", connect(fd, (struct sockaddr *)&in6, sizeof(in6)) == 0);
    check("an echo over IPv6", echo_all(fd, 1000));
    close(fd);
}

static void datagram_try(void)
{
    struct sockaddr_in to = address_4("127.0.0.1", 7), from;
    socklen_t bytes = sizeof(from);
    char small[3];
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct pollfd polled = {fd, POLLIN, 0};
    check("no receiver", send(fd, "a", 1, 0) < 0 && errno == EDESTADDRREQ);
    check("a datagram", sendto(fd, sent, 1400, 0, (struct sockaddr *)&to, sizeof(to)) == 1400);
    check("its echo", poll(&polled, 1, 10000) == 1 &&
                          recvfrom(fd, got, sizeof(got), 0, (struct sockaddr *)&from, &bytes) == 1400 &&
                          memcmp(sent, got, 1400) == 0 && from.sin_port == htons(7));
    check("connecting it", connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
    check("a connected one", send(fd, "salve", 5, 0) == 5 && poll(&polled, 1, 10000) == 1);
    check("peeking", recv(fd, got, sizeof(got), MSG_PEEK) == 5 && memcmp(got, "salve", 5) == 0);
    struct iovec vector = {small, sizeof(small)};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    check("cut off", recvmsg(fd, &message, 0) == 3 && (message.msg_flags & MSG_TRUNC));
    check("nothing left", recv(fd, got, sizeof(got), MSG_DONTWAIT) < 0 && errno == EAGAIN);
    check("too long", send(fd, sent, 20000, 0) < 0 && errno == EMSGSIZE);
    close(fd);
}

static void refusals_try(void)
{
    struct sockaddr_in in = address_4("0.0.0.0", 80), own = address_4("0.0.0.0", 1000);
    struct addrinfo *list;
    int fd = socket(AF_INET, SOCK_STREAM, 0), other = socket(AF_INET, SOCK_STREAM, 0);
    errno = 0;
    check("connecting elsewhere", connect_4("127.0.0.1", 8, 0) < 0 && errno == ENOTCAPABLE);
    check("listening elsewhere", bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 && errno == ENOTCAPABLE);
    check("listening", bind(fd, (struct sockaddr *)&own, sizeof(own)) == 0 && listen(fd, 1) == 0);
    check("listening twice", bind(other, (struct sockaddr *)&own, sizeof(own)) < 0 && errno == EADDRINUSE);
    check("nobody connects", fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && accept(fd, NULL, NULL) < 0 && errno == EAGAIN);
    close(fd);
    check("the port is free again", bind(other, (struct sockaddr *)&own, sizeof(own)) == 0 && listen(other, 1) == 0);
    close(other);
    errno = 0;
    check("a name", getaddrinfo("tessera.example", NULL, NULL, &list) == EAI_SYSTEM && errno == ENOTCAPABLE);
    check("a number", getaddrinfo("::1", "mqtt", NULL, &list) == 0 && list->ai_family == AF_INET6 &&
                          ((struct sockaddr_in6 *)list->ai_addr)->sin6_port == htons(1883));
    freeaddrinfo(list);
}

static struct sockaddr_in6 address_6(const char *host, int port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    inet_pton(AF_INET6, host, &in6.sin6_addr);
    return in6;
}

static int is_refused(int result)
{
    int is = result < 0 && errno == ENOTCAPABLE;
    errno = 0;
    return is;
}

/* The same port or address by another protocol, another version of IP, or in another form. */
static void other_refusals_try(void)
{
    struct sockaddr_in own = address_4("0.0.0.0", 1000), to = address_4("127.0.0.1", 9);
    struct sockaddr_in6 elsewhere = address_6("::1", 8), mapped = address_6("::ffff:127.0.0.1", 8);
    struct sockaddr_in6 own_6 = address_6("::", 1001), granted = address_6("::ffff:127.0.0.1", 7);
    int fd = socket(AF_INET, SOCK_DGRAM, 0), six = socket(AF_INET6, SOCK_STREAM, 0);
    check("a UDP port", is_refused(bind(fd, (struct sockaddr *)&own, sizeof(own))));
    check("IPv6 to another port", is_refused(connect(six, (struct sockaddr *)&elsewhere, sizeof(elsewhere))));
    check("IPv4 in IPv6's form", is_refused(connect(six, (struct sockaddr *)&mapped, sizeof(mapped))));
    check("a port over IPv6", is_refused(bind(six, (struct sockaddr *)&own_6, sizeof(own_6))));
    check("any port", is_refused(listen(six, 1)));
    check("a datagram socket's peer", is_refused(connect(fd, (struct sockaddr *)&to, sizeof(to))));
    check("a datagram", is_refused(sendto(fd, "a", 1, 0, (struct sockaddr *)&to, sizeof(to))));
    close(fd);
    close(six);
    six = socket(AF_INET6, SOCK_STREAM, 0);
    check("what is granted, in IPv6's form", connect(six, (struct sockaddr *)&granted, sizeof(granted)) == 0);
    close(six);
}

static int spawn(const char *name, uint32_t *pid)
{
    static const char arguments[] = "talker\0child";
    struct tessera_process_handles handles;
    int error = tessera_proc_spawn(name, (uint32_t)strlen(name), 0, arguments, sizeof(arguments), "", 0, 2, 1, 1, ".",
                                   1, &handles);
    *pid = handles.pid;
    return error;
}

/* A child has what its own manifest asks for, and that is never more than its parent has. */
static void children_try(void)
{
    struct tessera_option_pid which = {1, 0};
    struct tessera_join_status status;
    check("a child with more", spawn("more", &which.pid) == ENOTCAPABLE);
    check("a child with less", spawn("less", &which.pid) == 0 && tessera_proc_join(&which, 0, &status) == 0 &&
                                   status.type == TESSERA_JOIN_EXIT_NORMAL && status.exit_code == 0);
}

static int child(void)
{
    check("what the parent alone has", is_refused(connect_4("127.0.0.1", 7, 0)));
    check("what both have", connect_4("127.0.0.1", 9, 0) < 0 && errno == ECONNREFUSED);
    return failures != 0;
}

/* What is there of `fd`, which is watched with its own number; 0: nothing within the time. */
static unsigned watched(int instance, int fd, int timeout_ms)
{
    struct epoll_event event = {0};
    int count = epoll_wait(instance, &event, 1, timeout_ms);
    return count == 1 && event.data.fd == fd ? event.events : count == 0 ? 0 : ~0u;
}

static int watch(int instance, int operation, int fd, unsigned events)
{
    struct epoll_event event = {.events = events, .data = {.fd = fd}};
    return epoll_ctl(instance, operation, fd, &event);
}

static void epoll_try(void)
{
    int instance = epoll_create1(0), other = epoll_create(1), fd = connect_4("127.0.0.1", 7, 0);
    int second = connect_4("127.0.0.1", 7, SOCK_NONBLOCK);
    check("an instance", instance >= 0 && other >= 0 && watch(instance, EPOLL_CTL_ADD, fd, EPOLLIN) == 0);
    check("watched already", watch(instance, EPOLL_CTL_ADD, fd, EPOLLIN) < 0 && errno == EEXIST);
    check("watched elsewhere", watch(other, EPOLL_CTL_ADD, fd, EPOLLIN) < 0 && errno == EBUSY);
    check("not watched there", watch(other, EPOLL_CTL_MOD, fd, EPOLLIN) < 0 && errno == ENOENT);
    check("a file is not watched", watch(instance, EPOLL_CTL_ADD, 99, EPOLLIN) < 0 && errno == EBADF);
    check("nothing yet", watched(instance, fd, 0) == 0 && watched(instance, fd, 10) == 0);
    check("an echo is told", write(fd, "ab", 2) == 2 && watched(instance, fd, 10000) == EPOLLIN);
    check("and told again", read(fd, got, 1) == 1 && watched(instance, fd, 10000) == EPOLLIN);
    check("until it is read", read(fd, got, 1) == 1 && watched(instance, fd, 10) == 0);
    check("room", watch(instance, EPOLL_CTL_MOD, fd, EPOLLOUT) == 0 && watched(instance, fd, 0) == EPOLLOUT);
    check("at its edge", watch(instance, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLET) == 0 && write(fd, "a", 1) == 1 &&
                             watched(instance, fd, 10000) == EPOLLIN && watched(instance, fd, 10) == 0);
    check("a further edge", write(fd, "b", 1) == 1 && watched(instance, fd, 10000) == EPOLLIN);
    check("once", watch(instance, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT) == 0 &&
                      watched(instance, fd, 0) == EPOLLIN && watched(instance, fd, 10) == 0);
    check("read", read(fd, got, sizeof(got)) == 2 && watch(instance, EPOLL_CTL_MOD, fd, EPOLLIN) == 0);
    check("connecting",
          watch(instance, EPOLL_CTL_ADD, second, EPOLLOUT) == 0 && watched(instance, second, 10000) == EPOLLOUT);
    check("not watched any more",
          epoll_ctl(instance, EPOLL_CTL_DEL, second, NULL) == 0 && watched(instance, second, 10) == 0);
    check("the other one", watch(other, EPOLL_CTL_ADD, second, EPOLLIN) == 0 && shutdown(second, SHUT_WR) == 0 &&
                               (watched(other, second, 10000) & (EPOLLIN | EPOLLHUP)) == (EPOLLIN | EPOLLHUP));
    close(second);
    check("closing forgets", watched(other, second, 0) == 0);
    close(other);
    check("the first one goes on", write(fd, "c", 1) == 1 && watched(instance, fd, 10000) == EPOLLIN);
    close(instance);
    check("an instance is no other's", watch(fd, EPOLL_CTL_ADD, fd, EPOLLIN) < 0 && errno == EINVAL);
    check("and leaves its descriptors free", (instance = epoll_create1(0)) >= 0 &&
                                                 watch(instance, EPOLL_CTL_ADD, fd, EPOLLIN) == 0 &&
                                                 watched(instance, fd, 0) == EPOLLIN);
    close(fd);
    close(instance);
}

static int receive_buffer(int fd)
{
    int bytes = 0;
    socklen_t size = sizeof(bytes);
    return getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &size) == 0 ? bytes : -1;
}

static int receive_buffer_set(int fd, int bytes)
{
    return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

static int echo_often(int fd, int times)
{
    while (times > 0 && echo_all(fd, sizeof(sent)))
        times--;
    return times == 0;
}

/* The larger rings of connections, which the program asks for. */
static void receive_buffers_try(void)
{
    struct sockaddr_in to = address_4("127.0.0.1", 7), own = address_4("127.0.0.1", 1000);
    int fd = socket(AF_INET, SOCK_STREAM, 0), other = socket(AF_INET, SOCK_STREAM, 0), listener, peer;
    check("a buffer as it is", receive_buffer(fd) == 16384 && receive_buffer_set(fd, 200000) == 0);
    check("a larger one", receive_buffer(fd) == 262144);
    check("connecting with it", connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 && receive_buffer(fd) == 262144);
    check("echoes in it", echo_often(fd, 5));
    check("no smaller one", receive_buffer_set(fd, 1) == 0 && receive_buffer(fd) == 262144);
    check("the largest", receive_buffer_set(fd, 1 << 30) == 0 && receive_buffer(fd) == 1 << 21);
    check("echoes there", echo_often(fd, 5));
    listener = socket(AF_INET, SOCK_STREAM, 0);
    check("a listener's, before it is bound", receive_buffer_set(listener, 30000) == 0);
    check("listening with it", bind(listener, (struct sockaddr *)&own, sizeof(own)) == 0 && listen(listener, 1) == 0);
    check("it has it still", receive_buffer(listener) == 32768);
    check("its connection", connect(other, (struct sockaddr *)&own, sizeof(own)) == 0);
    check("has it, too", (peer = accept(listener, NULL, NULL)) >= 0 && receive_buffer(peer) == 32768);
    check("the other side has not", receive_buffer(other) == 16384);
    close(peer);
    close(other);
    close(listener);
    close(fd);
}

/* Who has waited to be accepted, and goes before: accepting does not wait for another. */
static void gone_try(void)
{
    struct sockaddr_in own = address_4("127.0.0.1", 1000);
    struct linger at_once = {1, 0};
    struct timeval patience = {0, 200000};
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    struct pollfd polled = {listener, POLLIN, 0};
    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    check("a listener", bind(listener, (struct sockaddr *)&own, sizeof(own)) == 0 && listen(listener, 1) == 0);
    check("one waits there", connect(fd, (struct sockaddr *)&own, sizeof(own)) == 0 && poll(&polled, 1, 2000) == 1);
    close(fd);
    usleep(10000);
    check("it is gone", accept(listener, NULL, NULL) < 0 && errno == ECONNABORTED);
    check("nobody else is there", accept(listener, NULL, NULL) < 0 && errno == EAGAIN);
    fd = connect_4("127.0.0.1", 1000, 0);
    check("the next one is accepted", fd >= 0 && close(accept(listener, NULL, NULL)) == 0);
    close(fd);
    close(listener);
}

/* More than the program's memory has room for: the rest get less, and work. */
static void receive_buffers_all_try(void)
{
    int fds[12], least = 1 << 21, most = 0;
    for (int i = 0; i < 12; i++) {
        fds[i] = connect_4("127.0.0.1", 7, 0);
        check("asking for much", fds[i] >= 0 && receive_buffer_set(fds[i], 1 << 21) == 0);
        int bytes = receive_buffer(fds[i]);
        least = bytes < least ? bytes : least;
        most = bytes > most ? bytes : most;
        check("an echo", echo_often(fds[i], 2));
    }
    check("some get all, some less", most == 1 << 21 && least >= 16384 && least < most);
    for (int i = 0; i < 12; i++)
        close(fds[i]);
    fds[0] = connect_4("127.0.0.1", 7, 0);
    check("there is memory again", receive_buffer_set(fds[0], 1 << 21) == 0 && receive_buffer(fds[0]) == 1 << 21);
    close(fds[0]);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1 && strcmp(argv[1], "child") == 0)
        return child();
    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (char)(i * 7 + i / 251);
    stream_try();
    connecting_try();
    six_try();
    datagram_try();
    epoll_try();
    gone_try();
    receive_buffers_try();
    receive_buffers_all_try();
    refusals_try();
    other_refusals_try();
    children_try();
    int fd = connect_4("127.0.0.1", 7, 0);
    check("the last word", write(fd, "quit\n", 5) == 5);
    close(fd);
    printf("talker: %d failures\n", failures);
    return failures != 0;
}
