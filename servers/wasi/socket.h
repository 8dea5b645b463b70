/* What the parts of WASIX's sockets share: socket.c, socket_option.c, socket_data.c, socket_name.c.
 *
 * Names, layouts and numbers: wasix-libc, wasi/api_wasix.h.
 */
#ifndef TESSERA_WASI_SOCKET_H
#define TESSERA_WASI_SOCKET_H

#include "imports.h"
#include "proto/net.h"

enum { WASIX_STREAM = 1, WASIX_DATAGRAM = 2 };
enum { WASIX_PROTOCOL_TCP = 6, WASIX_PROTOCOL_UDP = 17 };

struct wasix_address_port {
    uint8_t family, pad;
    uint16_t port;
    uint8_t address[16];
};
_Static_assert(sizeof(struct wasix_address_port) == 20, "as in WASIX");

/* One request; a net server that has died is waited for, and asked instead, once. */
uint32_t net_call(uint64_t operation, struct message *m);

/* Addresses in the program's memory, at `from` (EFAULT, EAFNOSUPPORT) and `to`, which was looked at. */
uint32_t address_get(uint32_t from, uint32_t family, struct net_address *to);
void address_put(const struct net_address *from, uint32_t family, uint32_t to);

/* EBADF, ENOTSOCK */
uint32_t socket_get(uint32_t fd, struct descriptor **descriptor);
/* One that has no port gets any. */
uint32_t socket_bind_any(struct descriptor *descriptor);
/* Datagrams and listeners get their stream. */
uint32_t socket_open_stream(uint32_t fd, enum socket_state state);
/* What went wrong since, once. */
uint32_t socket_error_take(struct descriptor *descriptor);
/* Its net server has died. The next one gets the socket. A datagram socket that has a peer loses it, and one that
 * nobody can know gets another port: what is still waited for will not come, which the program is told once. */
bool socket_is_lost(struct descriptor *descriptor);
uint32_t socket_open_again(uint32_t fd);
/* Looks whether connecting has come to an end. */
void socket_connect_follow(struct descriptor *descriptor);

#endif
