/* The net server's parts. One thread: a signal of the driver, of a client's rings or of the timer, or a request, is
 * handled to its end; then what was written is announced (net_settle). Nothing waits. docs/network.md.
 *
 *   main.c        start, the loop, time and chance for lwIP
 *   card.c        frames between the driver's rings and lwIP
 *   client.c      sessions: who they are, what they may, whom their names meant; streams and their signals
 *   socket.c      sockets by number, and the requests
 *   address.c     addresses
 *   connection.c  TCP: connections and listeners
 *   pending.c     what came for connections that nobody has accepted yet
 *   neighbour.c   whose addresses on the cable are asked for
 *   output.c      what waits until it can leave
 *   queue.c       how much of its data each connection may have in TCP
 *   memory.c      the memory of packets
 *   window.c      how much may be under way to a program
 *   lookup.c      which connection a segment belongs to
 *   owner.c       whose connections count against which share
 *   path.c        how long packets may be
 *   time.c        how much is done for programs whose time is limited
 *   secret.c      what strangers must not guess
 *   siphash.c     what nobody can
 *   forged.c      frames that no honest host sends
 *   options.c     what TCP's options may say
 *   datagram.c    UDP
 *   resolver.c    names
 *   trouble.c     what goes wrong on the network, in the log
 *   account.c     whether all came back, in the end
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lwip/ip_addr.h"
#include "lwip/netif.h"
#include "proto/net.h"
#include "proto/process.h"
#include "tessera/net_pattern.h"
#include "tessera/stream.h"
#include "tessera/syscall.h"

/* Errno values: WASI snapshot-01, type errno. */
enum {
    NET_OK = 0,
    NET_EADDRINUSE = 3,
    NET_EADDRNOTAVAIL = 4,
    NET_EAFNOSUPPORT = 5,
    NET_EAGAIN = 6,
    NET_EBADF = 8,
    NET_ECONNABORTED = 13,
    NET_ECONNREFUSED = 14,
    NET_ECONNRESET = 15,
    NET_EHOSTUNREACH = 23,
    NET_EINVAL = 28,
    NET_EISCONN = 30,
    NET_EMFILE = 33,
    NET_EMSGSIZE = 35,
    NET_ENETUNREACH = 40,
    NET_ENFILE = 41,
    NET_ENOBUFS = 42,
    NET_ENOENT = 44,
    NET_ENOMEM = 48,
    NET_ENOPROTOOPT = 50,
    NET_ENOSYS = 52,
    NET_ENOTCONN = 53,
    NET_ENOTSUP = 58,
    NET_ETIMEDOUT = 73,
    NET_ENOTCAPABLE = 76,
};

#define CLIENTS        64
#define CLIENT_NAMES   32 /* remembered of each client */
#define CLIENT_GRANTS  64
#define DATAGRAM_PEERS 32 /* whom a socket may answer */
#define SOCKETS        2048
#define CLIENT_SOCKETS 1280 /* of one client, those that wait to be accepted too */
#define SESSIONS       128  /* with clients: a process's */

/* What programs share (tessera/share.h). */
enum net_share {
    SHARE_CLIENTS,
    SHARE_SOCKETS,
    SHARE_CONNECTIONS,
    SHARE_LISTENERS,
    SHARE_DATAGRAMS,
    SHARE_LOOKUPS,
    SHARE_SESSIONS,
    SHARE_NEIGHBOURS,
    SHARE_KINDS
};

struct grant {
    enum process_net kind;
    struct net_pattern pattern; /* its host points into text */
    char text[NET_PATTERN_MAX];
};

struct client {
    uint64_t badge; /* 0: free */
    uint32_t party;
    struct grant *grants[CLIENT_GRANTS];
    uint32_t grant_count, socket_count, session_count, refusals_told;
    struct {
        ip_addr_t address;
        char *name; /* NULL: free */
    } names[CLIENT_NAMES];
    uint32_t next_name;
};

enum socket_state {
    SOCKET_BOUND,
    SOCKET_LISTENING,
    SOCKET_PENDING, /* of a listener: not accepted yet */
    SOCKET_CONNECTING,
    SOCKET_CONNECTED,
    SOCKET_DATAGRAM,
    SOCKET_RESOLVER
};

struct socket {
    uint64_t number;
    struct client *client;
    uint8_t kind;  /* enum net_kind */
    uint8_t state; /* enum socket_state */
    bool has_stream;
    bool may_answer;     /* datagrams: bound to a port that was granted */
    bool is_bound;       /* by the client: the port is its choice */
    bool resets;         /* NET_OPTION_RESET */
    bool has_sent_end;   /* FIN, after the client's last byte */
    bool peer_has_ended; /* FIN came */
    bool acknowledges;   /* two segments came and are not acknowledged */
    uint16_t session, error;
    struct stream stream;
    union {
        struct tcp_pcb *tcp; /* NULL: lwIP has given it up */
        struct udp_pcb *udp;
    };
    uint32_t held;                    /* connection: bytes of the ring that the window still counts */
    uint32_t lent;                    /* and that it was given although they are in the ring */
    uint32_t window;                  /* in all, held or not */
    uint32_t wish;                    /* the program's, for the ring; 0: none */
    uint32_t wanted;                  /* the ring that is to be made when this one is empty */
    uint32_t round_bytes;             /* received since round_ticks */
    uint64_t round_ticks, trip_ticks; /* since when; how long a window may take that fills the path */
    uint8_t rounds;                   /* windows in a row that did */
    bool may_not_grow;                /* by itself: there was no memory for it */
    uint32_t pending_count;
    struct socket *pending, *next_pending; /* of a listener: in the order in which they came */
    struct socket *listener;               /* of one that is pending */
    uint16_t buffers_held;                 /* pending_hold */
    bool waits_for_output;
    struct socket *next_waiting;
    bool is_queued; /* to be advanced when this round ends */
    struct socket *next_queued;
    bool is_relaxed; /* its stream's signals may be late; until sockets_hurry */
    struct socket *next_relaxed;
    uint16_t peer_count;
    struct net_peer {
        ip_addr_t address;
        uint16_t port;
    } * peers;
};

/* ---- main.c ---- */
extern const struct start_page *net_page;
/* A call to the process server: its errno. */
uint32_t net_ask(struct message *m, uint64_t operation, unsigned length);

/* ---- time.c ---- */
/* Something may be done for the party; it is charged with it. False: there is no time left, and it waits. */
bool time_is_left(uint32_t party);
/* The event has been handled. */
void time_settle(void);
/* When those who wait are looked at again, in ticks; 0: nobody waits. */
uint64_t time_waiting_until(void);
/* It is time for that. */
bool time_comes(void);

/* ---- secret.c ---- */
/* Random bits: of the machine's entropy, where it has some. */
uint64_t net_secret(void);
/* A port that no TCP socket has; 0: there is none. */
uint16_t port_choose(void);
/* Binds it to a port that nobody has: lwIP's error. */
int8_t datagram_port_take(struct udp_pcb *pcb, const ip_addr_t *address);

/* ---- forged.c ---- */
/* Of a frame from the cable, which has the room of a header of IPv6 in any case. */
bool frame_is_forged(struct netif *netif, const uint8_t *frame);

/* ---- card.c ---- */
/* The region, in which lwIP then has its heap; or why there is none. */
const char *card_open(void);
/* Once lwIP is ready. */
void card_start(void);
void card_poll(void);
/* What has been sent may still be with the driver, which is not told by the card: asks for it. */
void card_recall(void);
/* Tells the driver of what was given to it since. */
void card_settle(void);
bool card_is_up(void);
/* It has an address to be reached at. */
bool card_has_address(void);
/* So many frames are with the driver that not everybody may add to them. */
bool card_is_busy(void);
/* Received packets that lwIP keeps. */
uint32_t card_buffers_held(void);

/* ---- client.c ---- */
/* ENFILE: there are too many, of its party or of all. */
uint32_t client_get(uint64_t badge, struct client **client);
void clients_start(void);
/* One of the kind for that party; else the log says, once, that there is none. share_give. */
bool net_share(uint32_t party, enum net_share kind);
/* Lets go of clients that have ended. */
void clients_check(void);
/* True when it may; else the log says what was missing. */
bool client_may(struct client *client, enum process_net kind, enum net_kind protocol, const ip_addr_t *address,
                uint16_t port);
bool client_may_resolve(struct client *client, const char *name, uint32_t length);
void client_name_note(struct client *client, const char *name, const ip_addr_t *address);
/* A stream for the socket; `description` is what the client is to be told. */
uint32_t socket_stream_open(struct socket *socket, struct process_stream *description);
void socket_stream_close(struct socket *socket, uint32_t how);
/* The client will be signalled when this round ends. */
void socket_signal(const struct socket *socket);
/* Sockets whose streams have news, when the signals may be of any. */
void sessions_drain(uint64_t signals);
/* When its party has time again, as if its stream had news then. */
void socket_look_later(const struct socket *socket);
void sessions_settle(void);

/* ---- socket.c ---- */
/* EMFILE: the client has as many as one may; ENOBUFS: its party has. */
uint32_t socket_make(struct client *client, enum net_kind kind, struct socket **made);
struct socket *socket_find(const struct client *client, uint64_t number);
/* By number alone. */
struct socket *socket_of(uint64_t number);
uint32_t sockets_count(void);
/* Frees what lwIP does not have any more. */
void socket_free(struct socket *socket);
void sockets_close_all(const struct client *client);
/* lwIP has news of it: it is advanced when this round ends, outside of lwIP's callbacks. */
void socket_queue(struct socket *socket);
void sockets_settle(void);
/* Asks for the client's next data; busy as it is with what it was just given, or just gave, its signal may be late.
 * True: there is some. */
bool socket_ask_late(struct socket *socket);
/* When sockets_hurry is to be called, in ticks; 0: there is no need. Then asks anew where signals may be late. */
uint64_t sockets_relaxed_until(void);
void sockets_hurry(void);
/* Its stream has news. */
void socket_advance(struct socket *socket);
/* Ends it, as if the client had closed it. */
void socket_close(struct socket *socket);
/* Answers one request. */
void socket_request(struct client *client, struct message *m);
uint32_t errno_of(int8_t lwip_error);

/* ---- address.c ---- */
bool address_read(const struct net_address *from, ip_addr_t *to);
void address_write(const ip_addr_t *from, uint16_t port, struct net_address *to);
/* As permissions have it: the form that RFC 5952 recommends, of IPv4 the dotted one. `size` is at least
 * IPADDR_STRLEN_MAX. */
void address_text(const ip_addr_t *address, char *text, size_t size);

/* ---- connection.c ---- */
uint32_t connection_bind(struct socket *socket, const ip_addr_t *address, uint16_t port, uint32_t flags);
uint32_t connection_listen(struct socket *socket);
uint32_t connection_connect(struct socket *socket, const ip_addr_t *address, uint16_t port);
/* The first that waits; EAGAIN. */
uint32_t connection_accept(struct socket *listener, struct socket **accepted, struct process_stream *description);
void connection_advance(struct socket *socket);
void connection_close(struct socket *socket);
uint32_t connection_option(struct socket *socket, uint32_t option, uint64_t *value, bool is_set);

/* ---- pending.c ---- */
/* The connection, which waits to be accepted, keeps what came; said once or more. And it does not any more. */
void pending_hold(struct socket *socket, uint32_t buffers);
void pending_release(struct socket *socket);

/* ---- neighbour.c ---- */
/* False: the party is asking for as many neighbours' addresses as it may, and this would be one more. */
bool neighbour_may_ask(uint32_t party, const ip_addr_t *address);

/* ---- output.c ---- */
/* More packets are on their way out than everybody may add to. */
bool output_is_busy(void);
/* Packets of this machine's own are delivered when there are many. Outside of lwIP, with no socket in hand that waits
 * to be accepted. */
void output_relieve(void);
/* The socket is advanced when that has changed; until socket_free. */
void output_wait(struct socket *socket);
void output_forget(struct socket *socket);
bool output_is_due(void);
void output_resume(void);

/* ---- queue.c ---- */
/* Moves what the client wrote into TCP's queue, until one has nothing or the other no room. True: nothing is left. */
bool queue_fill(struct socket *socket);
/* Once in a second: ends connections that keep memory for nothing, where it is short. */
void queue_reclaim(void);
/* Times that lwIP has sent the same segment again, which take twice as long each: some five seconds. */
#define CONNECTION_AGAIN 2u

/* ---- window.c ---- */
/* Its handshake begins; it stands. */
void window_begin(struct tcp_pcb *pcb);
void window_measure(struct socket *socket);
/* So much has come, and lies in the ring. */
void window_received(struct socket *socket, uint32_t bytes);
/* What the client has read since may come again. */
void window_follow(struct socket *socket);
void window_keep_open(struct socket *socket);
/* Before data is written: a larger ring, when one is wanted and this one is empty. */
void window_grow(struct socket *socket);
/* The ring is to be so large at least (0: as it is); how large it is, or will be once it is connected. */
uint32_t window_wish(struct socket *socket, uint64_t bytes);

/* ---- owner.c ---- */
/* Room for one more connection of that party, if need be in the place of one of its own that is half-open or waits for
 * its peer's last word only. */
bool connection_room(uint32_t party);
/* When there is room: it counts from now on, until lwIP frees it. */
void owner_set(struct tcp_pcb *pcb, uint32_t party);
void owner_clear(struct tcp_pcb *pcb);

/* ---- datagram.c ---- */
uint32_t datagram_bind(struct socket *socket, const ip_addr_t *address, uint16_t port, uint32_t flags);
bool datagram_may_send(struct socket *socket, const ip_addr_t *address, uint16_t port);
uint32_t datagram_connect(struct socket *socket, const ip_addr_t *address, uint16_t port);
void datagram_advance(struct socket *socket);
void datagram_close(struct socket *socket);
uint32_t datagram_option(struct socket *socket, uint32_t option, uint64_t *value, bool is_set);

/* ---- trouble.c ---- */
enum net_trouble {
    TROUBLE_HALF_OPEN,
    TROUBLE_NO_SOCKET,
    TROUBLE_QUEUE_FULL,
    TROUBLE_UNREAD,
    TROUBLE_UNHEARD,
    TROUBLE_RECLAIMED,
    TROUBLE_FORGED,
    /* lwIP counts them. */
    TROUBLE_DAMAGED,
    TROUBLE_MALFORMED,
    TROUBLE_FRAGMENTS,
    TROUBLE_MEMORY,
    TROUBLE_COUNT
};
void trouble_note(enum net_trouble trouble, uint16_t port);
void troubles_start(void);

/* ---- account.c ---- */
void account_check(void);

/* ---- resolver.c ---- */
void resolver_advance(struct socket *socket);

#endif
