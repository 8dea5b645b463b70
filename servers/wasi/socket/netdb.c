/* <netdb.h>: numbers are understood here, names are WASIX's `resolve`. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "socket.h"

#define ADDRESSES_MAX 8

/* One entry of a list, allocated as a whole. */
struct entry {
    struct addrinfo info;
    union {
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } address;
    char name[];
};

static const struct {
    const char *name;
    int port;
} services[] = {{"mqtt", 1883}, {"secure-mqtt", 8883}, {"http", 80}, {"https", 443}, {"domain", 53}, {"ntp", 123}};

static int port_of(const char *service, int flags, int *port)
{
    char *end;
    *port = 0;
    if (!service)
        return 0;
    long number = strtol(service, &end, 10);
    if (*service && !*end) {
        *port = (int)number;
        return number >= 0 && number <= 65535 ? 0 : EAI_SERVICE;
    }
    for (size_t i = 0; !(flags & AI_NUMERICSERV) && i < sizeof(services) / sizeof(services[0]); i++)
        if (strcmp(services[i].name, service) == 0) {
            *port = services[i].port;
            return 0;
        }
    return EAI_SERVICE;
}

static int error_of(int error)
{
    switch (error) {
    case 0:
        return 0;
    case ENOENT:
        return EAI_NONAME;
    case EAGAIN:
        return EAI_AGAIN;
    case ENOMEM:
        return EAI_MEMORY;
    default:
        errno = error;
        return EAI_SYSTEM;
    }
}

static size_t wildcard(int flags, struct wasix_address *addresses)
{
    memset(addresses, 0, 2 * sizeof(*addresses));
    addresses[0].family = WASIX_INET6;
    addresses[1].family = WASIX_INET4;
    if (!(flags & AI_PASSIVE)) {
        addresses[0].address[15] = 1;
        memcpy(addresses[1].address, (const uint8_t[]){127, 0, 0, 1}, 4);
    }
    return 2;
}

static int addresses_of(const char *host, int flags, struct wasix_address *addresses, size_t *count)
{
    memset(addresses, 0, sizeof(*addresses));
    *count = 1;
    if (!host) {
        *count = wildcard(flags, addresses);
        return 0;
    }
    if (inet_pton(AF_INET, host, addresses->address) == 1) {
        addresses->family = WASIX_INET4;
        return 0;
    }
    if (inet_pton(AF_INET6, host, addresses->address) == 1) {
        addresses->family = WASIX_INET6;
        return 0;
    }
    if (flags & AI_NUMERICHOST)
        return EAI_NONAME;
    if (strcmp(host, "localhost") == 0) {
        *count = wildcard(0, addresses);
        return 0;
    }
    return error_of(wasix_resolve(host, strlen(host), 0, addresses, ADDRESSES_MAX, count));
}

static struct entry *entry_make(const struct wasix_address *address, int port, int type, const char *name)
{
    struct entry *entry = calloc(1, sizeof(*entry) + (name ? strlen(name) + 1 : 0));
    if (!entry)
        return NULL;
    struct wasix_address_port whole = {.family = address->family, .port = (uint16_t)port};
    memcpy(whole.address, address->address, sizeof(whole.address));
    entry->info.ai_family = address->family == WASIX_INET6 ? AF_INET6 : AF_INET;
    entry->info.ai_socktype = type;
    entry->info.ai_protocol = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
    entry->info.ai_addr = (struct sockaddr *)&entry->address;
    entry->info.ai_addrlen = socket_address_put(&whole, &entry->address, sizeof(entry->address));
    if (name)
        entry->info.ai_canonname = strcpy(entry->name, name);
    return entry;
}

static int list_make(const struct wasix_address *addresses, size_t count, const struct addrinfo *hints, int port,
                     const char *name, struct addrinfo **result)
{
    struct addrinfo **next = result;
    *result = NULL;
    for (size_t i = 0; i < count; i++) {
        int family = addresses[i].family == WASIX_INET6 ? AF_INET6 : AF_INET;
        if (hints->ai_family != AF_UNSPEC && hints->ai_family != family)
            continue;
        for (int n = 0; n < 2; n++) {
            int type = n == 0 ? SOCK_STREAM : SOCK_DGRAM;
            if (hints->ai_socktype && hints->ai_socktype != type)
                continue;
            struct entry *entry = entry_make(&addresses[i], port, type, *result ? NULL : name);
            if (!entry) {
                freeaddrinfo(*result);
                return EAI_MEMORY;
            }
            *next = &entry->info;
            next = &entry->info.ai_next;
        }
    }
    return *result ? 0 : EAI_NONAME;
}

int getaddrinfo(const char *restrict host, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict result)
{
    static const struct addrinfo none;
    struct wasix_address addresses[ADDRESSES_MAX];
    size_t count = 0;
    int port;
    if (!hints)
        hints = &none;
    if (!host && !service)
        return EAI_NONAME;
    if (hints->ai_family != AF_UNSPEC && hints->ai_family != AF_INET && hints->ai_family != AF_INET6)
        return EAI_FAMILY;
    if (hints->ai_socktype && hints->ai_socktype != SOCK_STREAM && hints->ai_socktype != SOCK_DGRAM)
        return EAI_SOCKTYPE;
    int error = port_of(service, hints->ai_flags, &port);
    if (!error)
        error = addresses_of(host, hints->ai_flags, addresses, &count);
    return error ? error
                 : list_make(addresses, count, hints, port, hints->ai_flags & AI_CANONNAME ? host : NULL, result);
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;
        free(list);
        list = next;
    }
}

const char *gai_strerror(int error)
{
    switch (error) {
    case EAI_NONAME:
    case EAI_NODATA:
        return "Name does not resolve";
    case EAI_AGAIN:
        return "Try again";
    case EAI_FAMILY:
        return "Unrecognized address family";
    case EAI_SOCKTYPE:
        return "Unrecognized socket type";
    case EAI_SERVICE:
        return "Unrecognized service";
    case EAI_MEMORY:
        return "Out of memory";
    case EAI_SYSTEM:
        return "System error";
    case EAI_OVERFLOW:
        return "Overflow";
    default:
        return "Unknown error";
    }
}

int getnameinfo(const struct sockaddr *restrict address, socklen_t bytes, char *restrict host, socklen_t host_bytes,
                char *restrict service, socklen_t service_bytes, int flags)
{
    struct wasix_address_port whole;
    if (socket_address_get(address, bytes, &whole))
        return EAI_FAMILY;
    if (flags & NI_NAMEREQD)
        return EAI_NONAME;
    if (host && host_bytes && !inet_ntop(address->sa_family, whole.address, host, host_bytes))
        return EAI_OVERFLOW;
    if (service && service_bytes && snprintf(service, service_bytes, "%u", whole.port) >= (int)service_bytes)
        return EAI_OVERFLOW;
    return 0;
}

struct hostent *gethostbyname(const char *name)
{
    static struct wasix_address addresses[ADDRESSES_MAX];
    static char *list[ADDRESSES_MAX + 1], *no_aliases[1], text[256];
    static struct hostent entry;
    size_t count, found = 0;
    if (strlen(name) >= sizeof(text) || addresses_of(name, 0, addresses, &count))
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (addresses[i].family == WASIX_INET4)
            list[found++] = (char *)addresses[i].address;
    list[found] = NULL;
    entry = (struct hostent){strcpy(text, name), no_aliases, AF_INET, 4, list};
    return found ? &entry : NULL;
}

unsigned if_nametoindex(const char *name)
{
    (void)name;
    errno = ENODEV;
    return 0;
}
