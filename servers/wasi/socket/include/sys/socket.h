/* The sockets that wasi-libc leaves out: its header, and the rest of POSIX's. Put this folder before wasi-libc's and
 * link socket.c, netdb.c and epoll.c (tessera_wasm with SOCKETS). docs/network.md lists what is there. */
#ifndef TESSERA_SYS_SOCKET_H
#define TESSERA_SYS_SOCKET_H

#include_next <sys/socket.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PF_UNSPEC AF_UNSPEC
#define PF_INET   AF_INET
#define PF_INET6  AF_INET6
#define PF_UNIX   AF_UNIX
#define PF_LOCAL  AF_UNIX
#define AF_LOCAL  AF_UNIX

#define SOCK_RAW       3
#define SOCK_SEQPACKET 4

/* wasi-libc's names a constant that there is not. */
#undef MSG_TRUNC
#define MSG_TRUNC    0x80000
#define MSG_OOB      0x10000 /* refused: EOPNOTSUPP */
#define MSG_DONTWAIT 0x20000
#define MSG_NOSIGNAL 0x40000 /* always so: there are no signals */

#define SO_DEBUG      1
#define SO_REUSEADDR  2
#define SO_ERROR      4
#define SO_DONTROUTE  5
#define SO_BROADCAST  6
#define SO_SNDBUF     7
#define SO_RCVBUF     8
#define SO_KEEPALIVE  9
#define SO_OOBINLINE  10
#define SO_LINGER     13
#define SO_REUSEPORT  15
#define SO_RCVLOWAT   18
#define SO_SNDLOWAT   19
#define SO_RCVTIMEO   20
#define SO_SNDTIMEO   21
#define SO_ACCEPTCONN 30
#define SO_PROTOCOL   38
#define SO_DOMAIN     39
/* Ours: what is written leaves when the program waits next. A listener's connections have its. */
#define SO_HOLD 0x7401

#define SOL_IP    0
#define SOL_TCP   6
#define SOL_IPV6  41
#define SOMAXCONN 128

int socket(int domain, int type, int protocol);
int bind(int fd, const struct sockaddr *address, socklen_t bytes);
int listen(int fd, int backlog);
int connect(int fd, const struct sockaddr *address, socklen_t bytes);
int getsockname(int fd, struct sockaddr *__restrict address, socklen_t *__restrict bytes);
int getpeername(int fd, struct sockaddr *__restrict address, socklen_t *__restrict bytes);
int setsockopt(int fd, int level, int option, const void *value, socklen_t bytes);
ssize_t sendto(int fd, const void *data, size_t bytes, int flags, const struct sockaddr *to, socklen_t to_bytes);
ssize_t recvfrom(int fd, void *__restrict data, size_t bytes, int flags, struct sockaddr *__restrict from,
                 socklen_t *__restrict from_bytes);
ssize_t sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t recvmsg(int fd, struct msghdr *message, int flags);

#ifdef __cplusplus
}
#endif
#endif
