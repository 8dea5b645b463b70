/* Requests to the net server for native test programs: each returns its errno. */
#ifndef TESTS_SERVERS_NET_CALLS_H
#define TESTS_SERVERS_NET_CALLS_H

#include "calls.h"
#include "proto/net.h"

enum { E_ADDRINUSE = 3, E_NFILE = 41, E_NOBUFS = 42 };

static cptr net_endpoint;

static inline word ask(enum net_operation operation, struct message *m)
{
    m->info = message_info(operation, 0, MESSAGE_REGISTERS);
    return syscall_call(net_endpoint, m) == ERROR_NONE ? message_info_label(m->info) : (word)E_INVAL;
}

static inline bool net_open(void)
{
    struct message m = {0};
    word error = call(PROCESS_NET_OPEN, &m, 0);
    net_endpoint = (cptr)m.words[0];
    return error == 0;
}

static inline word address_bind(enum net_kind kind, struct net_address address, word *socket)
{
    struct message m = {0, {kind}};
    message_put(&m, 1, &address, sizeof(address));
    m.words[4] = 0;
    word error = ask(NET_BIND, &m);
    *socket = m.words[0];
    return error;
}

static inline word port_bind(enum net_kind kind, unsigned port, word *socket)
{
    return address_bind(kind, (struct net_address){.family = NET_FAMILY_4, .port = (uint16_t)port}, socket);
}

static inline word socket_ask(enum net_operation operation, word socket)
{
    struct message m = {0, {socket}};
    return ask(operation, &m);
}

/* The same where the answer is a stream, which may be NULL. */
static inline word stream_ask(enum net_operation operation, word socket, struct process_stream *stream)
{
    struct message m = {0, {socket}};
    word error = ask(operation, &m);
    if (stream)
        message_get(&m, 0, stream, sizeof(*stream));
    return error;
}

/* On this machine. */
static inline word connect_to(unsigned port, struct process_stream *stream)
{
    struct net_address address = {.family = NET_FAMILY_4, .port = (uint16_t)port, .address = {127, 0, 0, 1}};
    struct message m = {0, {0, NET_KIND_TCP}};
    message_put(&m, 2, &address, sizeof(address));
    word error = ask(NET_CONNECT, &m);
    if (stream)
        message_get(&m, 0, stream, sizeof(*stream));
    return error;
}

#endif
