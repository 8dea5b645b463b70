/* The network protocol: calls of a program (its WASI library) on the net server. docs/network.md explains it.
 *
 * A session is a service's (proto/service.h): a Call capability badged with who calls, made by the process server when
 * the program first asks (PROCESS_NET_OPEN), which also tells the net server what the client may (PROCESS_NET_GRANT).
 * Request: label = enum net_operation; answer: label = errno of WASI's numbering; words as stated.
 *
 * Data never travels in messages. What a socket moves goes through a stream (proto/stream.h) between the two processes,
 * like a channel's: so waiting, polling, end of data and death are those of streams. What lies in the rings:
 *
 *   connection   bytes, as they come. One that the client opened begins with a struct net_result from the server
 *   listener     a byte from the server for each connection that waits to be accepted
 *   datagrams    struct net_datagram and its bytes, in both directions
 *   resolver     struct net_question and the name; struct net_answer and `count` struct net_address
 *
 * A stream that the client closes closes its socket: the server sends what the ring still holds. A server that closes
 * with STREAM_CLOSED_RESET means a connection reset by the peer, and so does its death.
 *
 * Sockets are numbers of the session, never used again while the server runs: one that the server does not know is of a
 * server before this one.
 */
#ifndef PROTO_NET_H
#define PROTO_NET_H

#include <stdint.h>

#define STREAM_CLOSED_RESET (1u << 3) /* in a stream_line's `closed`, with the others */

enum net_kind { NET_KIND_TCP = 0, NET_KIND_UDP, NET_KIND_COUNT };

enum net_family { NET_FAMILY_NONE = 0, NET_FAMILY_4 = 1, NET_FAMILY_6 = 2 };

/* Three words in messages. */
struct net_address {
    uint8_t family; /* enum net_family */
    uint8_t reserved;
    uint16_t port;
    uint32_t zone;       /* of a link-local IPv6 address; 0: whichever */
    uint8_t address[16]; /* in the order of the network; of IPv4 the first four */
};
#define NET_ADDRESS_WORDS 3u
_Static_assert(sizeof(struct net_address) == 8 * NET_ADDRESS_WORDS, "three words");

/* The stream: struct process_stream (proto/process.h) in w0 .. w6. */
enum net_operation {
    NET_BIND = 1, /* w0 enum net_kind, w1.. address (port 0: any), w4 enum net_bind -> w0 socket. EADDRINUSE,
                     EADDRNOTAVAIL, ENOTCAPABLE */
    NET_OPEN,     /* w0 socket that was bound -> stream: TCP listens, UDP takes datagrams */
    NET_CONNECT,  /* w0 socket that was bound or 0, w1 enum net_kind, w2.. address, w5 NET_OPTION_RECEIVE_BYTES or 0 ->
                     stream, w7 socket. For datagrams: w0 one with a stream or 0; 0 of NET_FAMILY_NONE dissolves.
                     ENETUNREACH, ENOTCAPABLE */
    NET_ACCEPT,   /* w0 socket -> stream, w7 socket. EAGAIN */
    NET_ADDRESS,  /* w0 socket, w1 1 = the peer's -> w0.. address. ENOTCONN */
    NET_SET,      /* w0 socket, w1 enum net_option, w2 value. ENOPROTOOPT */
    NET_GET,      /* w0 socket, w1 enum net_option -> w0 value */
    NET_CLOSE,    /* w0 socket that has no stream */
    NET_MAY_SEND, /* w0 socket of datagrams, w1.. address. ENOTCAPABLE: what is sent there is dropped */
    NET_RESOLVER, /* -> stream. ENOTCAPABLE */
};

enum net_bind { NET_BIND_ONLY_6 = 1 << 0 };

enum net_option {
    NET_OPTION_NO_DELAY = 1,
    NET_OPTION_KEEP_ALIVE,
    NET_OPTION_KEEP_IDLE,     /* s */
    NET_OPTION_KEEP_INTERVAL, /* s */
    NET_OPTION_KEEP_COUNT,
    NET_OPTION_TTL,
    NET_OPTION_BROADCAST,
    NET_OPTION_RESET,         /* 1: closing resets the connection */
    NET_OPTION_RECEIVE_BYTES, /* of the ring of what comes: at least so many, as far as the client's memory goes; what
                                 they are. A listener's is that of its connections */
};

struct net_result {
    uint32_t error; /* of WASI's numbering; 0: connected */
};

struct net_datagram {
    struct net_address peer; /* from whom, to whom; NET_FAMILY_NONE: to whom it is connected */
    uint32_t bytes;          /* that follow */
};
#define NET_DATAGRAM_MAX 16000u /* bytes of one; longer: EMSGSIZE, or cut off */

#define NET_NAME_MAX 253u
struct net_question {
    uint32_t bytes;  /* of the name that follows, without NUL */
    uint32_t family; /* NET_FAMILY_NONE: either */
};
struct net_answer {
    uint32_t error; /* ENOENT: no such name; EAGAIN: nobody answered */
    uint32_t count; /* of the addresses that follow */
};
#define NET_ANSWER_MAX 4u

#endif
