/* BSD sockets for C programs that are compiled for wasm32-wasi, on WASIX's calls. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "socket.h"

#define VECTORS_MAX 64

static int result(int error)
{
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}

/* ---- addresses ----------------------------------------------------------------------------------------------- */

int socket_address_get(const struct sockaddr *address, socklen_t bytes, struct wasix_address_port *out)
{
    memset(out, 0, sizeof(*out));
    if (!address || bytes < sizeof(address->sa_family))
        return EINVAL;
    if (address->sa_family == AF_INET && bytes >= offsetof(struct sockaddr_in, sin_addr) + sizeof(struct in_addr)) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        out->family = WASIX_INET4;
        out->port = ntohs(in->sin_port);
        memcpy(out->address, &in->sin_addr, 4);
        return 0;
    }
    if (address->sa_family == AF_INET6 && bytes >= offsetof(struct sockaddr_in6, sin6_addr) + sizeof(struct in6_addr)) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)address;
        out->family = WASIX_INET6;
        out->port = ntohs(in->sin6_port);
        memcpy(out->address, &in->sin6_addr, 16);
        return 0;
    }
    return address->sa_family == AF_INET || address->sa_family == AF_INET6 ? EINVAL : EAFNOSUPPORT;
}

/* As POSIX has it: what does not fit is cut off, *bytes becomes the whole length. */
static void address_put(const struct wasix_address_port *from, struct sockaddr *address, socklen_t *bytes)
{
    union {
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } whole;
    if (!address || !bytes)
        return;
    socklen_t length = socket_address_put(from, &whole, sizeof(whole));
    memcpy(address, &whole, *bytes < length ? *bytes : length);
    *bytes = length;
}

socklen_t socket_address_put(const struct wasix_address_port *from, void *to, size_t room)
{
    memset(to, 0, room);
    if (from->family == WASIX_INET6) {
        struct sockaddr_in6 *in = to;
        in->sin6_family = AF_INET6;
        in->sin6_port = htons(from->port);
        memcpy(&in->sin6_addr, from->address, 16);
        return sizeof(*in);
    }
    struct sockaddr_in *in = to;
    in->sin_family = AF_INET;
    in->sin_port = htons(from->port);
    memcpy(&in->sin_addr, from->address, 4);
    return sizeof(*in);
}

in_addr_t inet_addr(const char *text)
{
    struct in_addr address;
    return inet_aton(text, &address) ? address.s_addr : INADDR_NONE;
}

char *inet_ntoa(struct in_addr address)
{
    static char text[INET_ADDRSTRLEN];
    (void)inet_ntop(AF_INET, &address, text, sizeof(text));
    return text;
}

/* ---- opening ------------------------------------------------------------------------------------------------- */

static int flags_add(int fd, int type)
{
    if (!(type & SOCK_NONBLOCK))
        return 0;
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int socket(int domain, int type, int protocol)
{
    int fd, kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (domain != AF_INET && domain != AF_INET6)
        return result(EAFNOSUPPORT);
    if (kind != SOCK_STREAM && kind != SOCK_DGRAM)
        return result(EPROTOTYPE);
    if (protocol == 0)
        protocol = kind == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
    if (protocol != (kind == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP))
        return result(EPROTONOSUPPORT);
    int error = wasix_sock_open(domain == AF_INET ? WASIX_INET4 : WASIX_INET6,
                                kind == SOCK_STREAM ? WASIX_STREAM : WASIX_DATAGRAM, protocol, &fd);
    return error || flags_add(fd, type) ? result(error ? error : errno) : fd;
}

int bind(int fd, const struct sockaddr *address, socklen_t bytes)
{
    struct wasix_address_port own;
    int error = socket_address_get(address, bytes, &own);
    return result(error ? error : wasix_sock_bind(fd, &own));
}

int listen(int fd, int backlog)
{
    return result(wasix_sock_listen(fd, backlog < 1 ? 1 : (size_t)backlog));
}

int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict bytes, int flags)
{
    struct wasix_address_port peer;
    int accepted;
    if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
        return result(EINVAL);
    int error = wasix_sock_accept_v2(fd, 0, &accepted, &peer);
    if (error || flags_add(accepted, flags))
        return result(error ? error : errno);
    if (address && bytes && peer.family == WASIX_UNSPECIFIED)
        *bytes = 0; /* a channel's peer has none */
    else
        address_put(&peer, address, bytes);
    return accepted;
}

int accept(int fd, struct sockaddr *restrict address, socklen_t *restrict bytes)
{
    return accept4(fd, address, bytes, 0);
}

int connect(int fd, const struct sockaddr *address, socklen_t bytes)
{
    struct wasix_address_port peer = {0};
    int error = 0;
    if (!address || bytes < sizeof(address->sa_family) || address->sa_family != AF_UNSPEC)
        error = socket_address_get(address, bytes, &peer);
    return result(error ? error : wasix_sock_connect(fd, &peer));
}

int getsockname(int fd, struct sockaddr *restrict address, socklen_t *restrict bytes)
{
    struct wasix_address_port own;
    int error = wasix_sock_addr_local(fd, &own);
    if (error == 0)
        address_put(&own, address, bytes);
    return result(error);
}

int getpeername(int fd, struct sockaddr *restrict address, socklen_t *restrict bytes)
{
    struct wasix_address_port peer;
    int error = wasix_sock_addr_peer(fd, &peer);
    if (error == 0)
        address_put(&peer, address, bytes);
    return result(error);
}

/* ---- options ------------------------------------------------------------------------------------------------- */

enum form { FORM_FLAG, FORM_SIZE, FORM_TIME, FORM_LINGER, FORM_TYPE };

static const struct option {
    int level, option;
    enum form form;
    enum wasix_option wasix;
} options[] = {
    {SOL_SOCKET, SO_REUSEADDR, FORM_FLAG, WASIX_REUSE_ADDRESS},
    {SOL_SOCKET, SO_REUSEPORT, FORM_FLAG, WASIX_REUSE_PORT},
    {SOL_SOCKET, SO_BROADCAST, FORM_FLAG, WASIX_BROADCAST},
    {SOL_SOCKET, SO_KEEPALIVE, FORM_FLAG, WASIX_KEEP_ALIVE},
    {SOL_SOCKET, SO_ACCEPTCONN, FORM_FLAG, WASIX_LISTENING},
    {SOL_SOCKET, SO_ERROR, FORM_SIZE, WASIX_LAST_ERROR},
    {SOL_SOCKET, SO_SNDBUF, FORM_SIZE, WASIX_SEND_BUFFER},
    {SOL_SOCKET, SO_RCVBUF, FORM_SIZE, WASIX_RECEIVE_BUFFER},
    {SOL_SOCKET, SO_PROTOCOL, FORM_SIZE, WASIX_PROTOCOL},
    {SOL_SOCKET, SO_TYPE, FORM_TYPE, WASIX_TYPE},
    {SOL_SOCKET, SO_RCVTIMEO, FORM_TIME, WASIX_RECEIVE_TIMEOUT},
    {SOL_SOCKET, SO_SNDTIMEO, FORM_TIME, WASIX_SEND_TIMEOUT},
    {SOL_SOCKET, SO_LINGER, FORM_LINGER, WASIX_LINGER},
    {SOL_SOCKET, SO_HOLD, FORM_FLAG, WASIX_HOLD},
    {IPPROTO_TCP, TCP_KEEPIDLE, FORM_SIZE, WASIX_KEEP_IDLE},
    {IPPROTO_TCP, TCP_KEEPINTVL, FORM_SIZE, WASIX_KEEP_INTERVAL},
    {IPPROTO_TCP, TCP_KEEPCNT, FORM_SIZE, WASIX_KEEP_COUNT},
    {IPPROTO_TCP, TCP_NODELAY, FORM_FLAG, WASIX_NO_DELAY},
    {IPPROTO_IP, IP_TTL, FORM_SIZE, WASIX_TTL},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, FORM_SIZE, WASIX_TTL},
    {IPPROTO_IPV6, IPV6_V6ONLY, FORM_FLAG, WASIX_ONLY_V6},
};

static const struct option *option_find(int level, int option)
{
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (options[i].level == level && options[i].option == option)
            return &options[i];
    return NULL;
}

static int option_get(int fd, const struct option *option, void *value, socklen_t *bytes)
{
    union {
        int number;
        struct timeval time;
        struct linger linger;
    } whole = {0};
    struct wasix_time time = {0};
    uint64_t size = 0;
    uint8_t flag = 0;
    socklen_t length = sizeof(int);
    int error;
    switch (option->form) {
    case FORM_FLAG:
        error = wasix_sock_get_opt_flag(fd, option->wasix, &flag);
        whole.number = flag;
        break;
    case FORM_TIME:
    case FORM_LINGER:
        error = wasix_sock_get_opt_time(fd, option->wasix, &time);
        if (option->form == FORM_TIME)
            whole.time = (struct timeval){.tv_sec = (time_t)(time.ns / 1000000000),
                                          .tv_usec = (suseconds_t)(time.ns % 1000000000 / 1000)};
        else
            whole.linger = (struct linger){time.is_some, (int)(time.ns / 1000000000)};
        length = option->form == FORM_TIME ? sizeof(whole.time) : sizeof(whole.linger);
        break;
    default:
        error = wasix_sock_get_opt_size(fd, option->wasix, &size);
        whole.number = (int)size;
        if (option->form == FORM_TYPE)
            whole.number = size == WASIX_STREAM ? SOCK_STREAM : SOCK_DGRAM;
    }
    if (error)
        return error;
    memcpy(value, &whole, *bytes < length ? *bytes : length);
    *bytes = *bytes < length ? *bytes : length;
    return 0;
}

int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict bytes)
{
    const struct option *option = option_find(level, name);
    return result(option ? option_get(fd, option, value, bytes) : ENOPROTOOPT);
}

static int option_set(int fd, const struct option *option, const void *value, socklen_t bytes)
{
    int number = 0;
    struct timeval time;
    struct linger linger;
    struct wasix_time wanted = {0};
    switch (option->form) {
    case FORM_TIME:
        if (bytes < sizeof(time))
            return EINVAL;
        memcpy(&time, value, sizeof(time));
        if (time.tv_sec < 0 || time.tv_usec < 0 || time.tv_usec >= 1000000)
            return EDOM;
        wanted.ns = (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_usec * 1000;
        wanted.is_some = wanted.ns != 0;
        return wasix_sock_set_opt_time(fd, option->wasix, &wanted);
    case FORM_LINGER:
        if (bytes < sizeof(linger))
            return EINVAL;
        memcpy(&linger, value, sizeof(linger));
        wanted.is_some = linger.l_onoff != 0;
        wanted.ns = linger.l_linger < 0 ? 0 : (uint64_t)linger.l_linger * 1000000000;
        return wasix_sock_set_opt_time(fd, option->wasix, &wanted);
    default:
        if (bytes < sizeof(number))
            return EINVAL;
        memcpy(&number, value, sizeof(number));
        if (option->form == FORM_FLAG)
            return wasix_sock_set_opt_flag(fd, option->wasix, number != 0);
        return number < 0 ? EINVAL : wasix_sock_set_opt_size(fd, option->wasix, (uint64_t)number);
    }
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t bytes)
{
    const struct option *option = option_find(level, name);
    return result(option ? option_set(fd, option, value, bytes) : ENOPROTOOPT);
}

/* ---- data ---------------------------------------------------------------------------------------------------- */

/* MSG_DONTWAIT is of the call, O_NONBLOCK of the descriptor, and WASI has only the latter. */
static int nonblocking_begin(int fd, int flags)
{
    int before = flags & MSG_DONTWAIT ? fcntl(fd, F_GETFL) : -1;
    if (before < 0 || (before & O_NONBLOCK) || fcntl(fd, F_SETFL, before | O_NONBLOCK) < 0)
        return -1;
    return before;
}

static void nonblocking_end(int fd, int before)
{
    if (before >= 0)
        (void)fcntl(fd, F_SETFL, before);
}

static ssize_t vectors_send(int fd, const struct wasix_vector *vectors, size_t count, int flags,
                            const struct sockaddr *to, socklen_t to_bytes)
{
    struct wasix_address_port peer = {0};
    size_t done = 0;
    int error = to ? socket_address_get(to, to_bytes, &peer) : 0;
    if (flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL))
        error = EOPNOTSUPP;
    if (error)
        return result(error);
    int before = nonblocking_begin(fd, flags);
    error = wasix_sock_send_to(fd, vectors, count, 0, &peer, &done);
    nonblocking_end(fd, before);
    return error ? result(error) : (ssize_t)done;
}

static ssize_t vectors_receive(int fd, const struct wasix_vector *vectors, size_t count, int flags,
                               struct wasix_address_port *peer, uint16_t *out_flags)
{
    size_t done = 0;
    if (flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL | MSG_PEEK))
        return result(EOPNOTSUPP);
    int before = nonblocking_begin(fd, flags);
    int error = wasix_sock_recv_from(fd, vectors, count, flags & MSG_PEEK, &done, out_flags, peer);
    nonblocking_end(fd, before);
    return error ? result(error) : (ssize_t)done;
}

ssize_t sendto(int fd, const void *data, size_t bytes, int flags, const struct sockaddr *to, socklen_t to_bytes)
{
    struct wasix_vector vector = {(void *)data, bytes};
    return vectors_send(fd, &vector, 1, flags, to, to_bytes);
}

ssize_t send(int fd, const void *data, size_t bytes, int flags)
{
    return sendto(fd, data, bytes, flags, NULL, 0);
}

ssize_t recvfrom(int fd, void *restrict data, size_t bytes, int flags, struct sockaddr *restrict from,
                 socklen_t *restrict from_bytes)
{
    struct wasix_vector vector = {data, bytes};
    struct wasix_address_port peer = {0};
    uint16_t out_flags;
    ssize_t done = vectors_receive(fd, &vector, 1, flags, &peer, &out_flags);
    if (done >= 0 && from && from_bytes && peer.family == WASIX_UNSPECIFIED)
        *from_bytes = 0;
    else if (done >= 0)
        address_put(&peer, from, from_bytes);
    return done;
}

ssize_t recv(int fd, void *data, size_t bytes, int flags)
{
    return recvfrom(fd, data, bytes, flags, NULL, NULL);
}

static int vectors_of(const struct msghdr *message, struct wasix_vector *vectors)
{
    if (message->msg_iovlen < 0 || message->msg_iovlen > VECTORS_MAX)
        return EMSGSIZE;
    for (int i = 0; i < message->msg_iovlen; i++)
        vectors[i] = (struct wasix_vector){message->msg_iov[i].iov_base, message->msg_iov[i].iov_len};
    return 0;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct wasix_vector vectors[VECTORS_MAX];
    int error = message->msg_controllen ? EOPNOTSUPP : vectors_of(message, vectors);
    return error
               ? result(error)
               : vectors_send(fd, vectors, (size_t)message->msg_iovlen, flags, message->msg_name, message->msg_namelen);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    struct wasix_vector vectors[VECTORS_MAX];
    struct wasix_address_port peer = {0};
    uint16_t out_flags = 0;
    int error = vectors_of(message, vectors);
    if (error)
        return result(error);
    ssize_t done = vectors_receive(fd, vectors, (size_t)message->msg_iovlen, flags, &peer, &out_flags);
    message->msg_controllen = 0;
    message->msg_flags = out_flags ? MSG_TRUNC : 0;
    if (done >= 0)
        address_put(&peer, message->msg_name, &message->msg_namelen);
    return done;
}
