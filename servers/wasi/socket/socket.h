/* What the parts of the socket library share. */
#ifndef SOCKET_SOCKET_H
#define SOCKET_SOCKET_H

#include <sys/socket.h>

#include "wasix.h"

/* 0 or an errno. */
int socket_address_get(const struct sockaddr *address, socklen_t bytes, struct wasix_address_port *out);
/* A sockaddr_in or sockaddr_in6, for which there is room; its length. */
socklen_t socket_address_put(const struct wasix_address_port *from, void *to, size_t room);

#endif
