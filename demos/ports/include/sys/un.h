/* There are no Unix sockets; programs that can use them want their addresses' shape all the same. */
#ifndef PORTS_SYS_UN_H
#define PORTS_SYS_UN_H
#include <sys/socket.h>

struct sockaddr_un {
    sa_family_t sun_family;
    char sun_path[108];
};
#endif
