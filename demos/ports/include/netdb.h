/* The socket library's, and the older way to look up names, which finds nothing. */
#ifndef PORTS_NETDB_H
#define PORTS_NETDB_H
#include_next <netdb.h>

#define HOST_NOT_FOUND 1
#define TRY_AGAIN      2
#define NO_RECOVERY    3
#define NO_DATA        4
#define h_errno        HOST_NOT_FOUND

struct servent {
    char *s_name, **s_aliases;
    int s_port;
    char *s_proto;
};

static inline struct servent *getservbyname(const char *name, const char *protocol)
{
    (void)name, (void)protocol;
    return 0;
}
#endif
