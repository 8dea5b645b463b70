/* The imports of WASIX that the socket library stands on. Names, layouts and numbers: wasix-libc's wasi/api_wasix.h. */
#ifndef SOCKET_WASIX_H
#define SOCKET_WASIX_H

#include <stddef.h>
#include <stdint.h>

#define WASIX(name) __attribute__((import_module("wasix_32v1"), import_name(#name))) wasix_##name

enum wasix_family { WASIX_UNSPECIFIED = 0, WASIX_INET4 = 1, WASIX_INET6 = 2 };
enum wasix_type { WASIX_STREAM = 1, WASIX_DATAGRAM = 2 };
enum wasix_option {
    WASIX_REUSE_PORT = 1,
    WASIX_REUSE_ADDRESS = 2,
    WASIX_NO_DELAY = 3,
    WASIX_ONLY_V6 = 5,
    WASIX_BROADCAST = 6,
    WASIX_LISTENING = 10,
    WASIX_LAST_ERROR = 11,
    WASIX_KEEP_ALIVE = 12,
    WASIX_LINGER = 13,
    WASIX_RECEIVE_BUFFER = 15,
    WASIX_SEND_BUFFER = 16,
    WASIX_RECEIVE_TIMEOUT = 19,
    WASIX_SEND_TIMEOUT = 20,
    WASIX_TTL = 23,
    WASIX_TYPE = 25,
    WASIX_PROTOCOL = 26,
    /* Ours. */
    WASIX_HOLD = 0x7401,
    WASIX_KEEP_IDLE,
    WASIX_KEEP_INTERVAL,
    WASIX_KEEP_COUNT,
};

/* An address with a port: host order, then the address as it travels. */
struct wasix_address_port {
    uint8_t family, pad;
    uint16_t port;
    uint8_t address[16];
};
_Static_assert(sizeof(struct wasix_address_port) == 20, "as in WASIX");

struct wasix_address {
    uint8_t family, pad;
    uint8_t address[16];
};
_Static_assert(sizeof(struct wasix_address) == 18, "as in WASIX");

struct wasix_time {
    uint8_t is_some;
    uint64_t ns;
};
_Static_assert(sizeof(struct wasix_time) == 16, "as in WASIX");

struct wasix_vector {
    void *bytes;
    size_t length;
};

struct wasix_event {
    uint32_t events;
    uint64_t data[3]; /* the program's own: WASIX means a pointer, a descriptor and two numbers */
};
_Static_assert(sizeof(struct wasix_event) == 32, "as in WASIX");
enum { WASIX_EPOLL_ADD = 0, WASIX_EPOLL_MODIFY, WASIX_EPOLL_DELETE };

/* All return 0 or an errno. */
int WASIX(sock_open)(int family, int type, int protocol, int *fd);
int WASIX(sock_bind)(int fd, const struct wasix_address_port *address);
int WASIX(sock_listen)(int fd, size_t backlog);
int WASIX(sock_accept_v2)(int fd, int flags, int *accepted, struct wasix_address_port *peer);
int WASIX(sock_connect)(int fd, const struct wasix_address_port *address);
int WASIX(sock_addr_local)(int fd, struct wasix_address_port *address);
int WASIX(sock_addr_peer)(int fd, struct wasix_address_port *address);
int WASIX(sock_set_opt_flag)(int fd, int option, int flag);
int WASIX(sock_get_opt_flag)(int fd, int option, uint8_t *flag);
int WASIX(sock_set_opt_size)(int fd, int option, uint64_t size);
int WASIX(sock_get_opt_size)(int fd, int option, uint64_t *size);
int WASIX(sock_set_opt_time)(int fd, int option, const struct wasix_time *time);
int WASIX(sock_get_opt_time)(int fd, int option, struct wasix_time *time);
int WASIX(sock_recv_from)(int fd, const struct wasix_vector *vectors, size_t count, int flags, size_t *done,
                          uint16_t *out_flags, struct wasix_address_port *peer);
int WASIX(sock_send_to)(int fd, const struct wasix_vector *vectors, size_t count, int flags,
                        const struct wasix_address_port *peer, size_t *done);
int WASIX(epoll_create)(int *fd);
int WASIX(epoll_ctl)(int instance, int operation, int fd, const struct wasix_event *event);
int WASIX(epoll_wait)(int instance, struct wasix_event *events, size_t count, uint64_t timeout_ns, size_t *done);
int WASIX(resolve)(const char *host, size_t length, int port, struct wasix_address *addresses, size_t room,
                   size_t *count);

#endif
