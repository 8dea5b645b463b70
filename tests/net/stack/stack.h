/* The net server and lwIP on the host, with ASan and UBSan, between a hostile network and hostile programs.
 *
 * The server's own sources and lwIP's are a shared object, as they are on target: their system calls come to this
 * program (TESSERA_SYSCALL_MODEL), which is the process server, the driver, the network and the programs. One input is
 * one life of the server: a list of steps (steps.c). Before each life the object's data is what it was at first; after
 * the last step everybody goes, and all that the server had must be back in its pools.
 *
 *   steps.c    what an input means; programs
 *   host.c     the other end of the cable: frames with right checksums, answers to DHCP, DNS, ARP and ND
 *   world.c    system calls, the driver's rings, streams
 *   hold.c     instead of steps.c: situations in which programs and peers keep what they can get
 *   memory.c   the server's memory, watched: each piece of lwIP's pools and heap is poisoned while it is free
 */
#ifndef TESTS_NET_STACK_H
#define TESTS_NET_STACK_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/packet.h"
#include "proto/process.h"
#include "tessera/stream.h"
#include "tessera/syscall.h"

#define FRAME_ROOM (PACKET_BUFFER_BYTES - PACKET_HEADER_BYTES)
#define FRAME_MAX  (FRAME_ROOM - 1)

_Noreturn void stack_fail(const char *what);

/* ---- memory.c ---- */
void memory_reset(void);
/* What the server holds for programs and connections: pieces, and bytes of lwIP's. */
#define POOLS 32
struct memory_use {
    uint32_t pieces, heap_bytes, buffers, pools[POOLS]; /* by memp_t */
};
struct memory_use memory_use(void);
/* The n-th time from now that memory is asked for there is none; 0: there is always some. */
void memory_fail_after(uint32_t count);

/* ---- world.c ---- */
extern uint64_t world_now_ns;
extern struct packet_region *world_region;
void world_reset(void);
void world_signal(uint64_t bits);
/* What the process server says a program may; it is alive. */
struct world_client {
    uint64_t badge;
    bool is_alive;
};
#define CLIENTS 3
extern struct world_client world_clients[CLIENTS];
/* A stream that both have. Its memory is gone when the server has closed it. */
struct world_stream {
    bool is_open;
    uint32_t session;
    struct stream side; /* the program's */
};
#define STREAMS 1400
extern struct world_stream world_streams[STREAMS];
extern uint32_t world_streams_refused; /* so many more are not made */
/* The program has written, read or closed: its bit, and the signal. */
void world_stream_tell(const struct world_stream *stream);
/* Before it reads: where the server's data lies now. */
void world_stream_follow(struct world_stream *stream);
void world_client_kill(uint32_t client);
/* A frame comes out of the cable; `flags`: PACKET_IS_VALID; in parts of so many bytes, 0: whole. False: the server has
 * not given the buffers. */
bool world_receive(const uint8_t *frame, uint32_t bytes, uint32_t flags, uint32_t part_bytes);
void world_driver_restart(void);
void world_link(bool is_up);
/* What has been sent stays with the driver. */
extern bool world_keeps_sent;
void world_sent_return(void);
/* One life, to its end. */
void world_run(void);
/* From steps.c: what happens next. True: a request of this client, which is answered with request_answered. */
bool steps_next(struct message *m, uint64_t *badge);
void request_answered(const struct message *m);

/* ---- host.c ---- */
enum host_mode {
    HOST_ACKNOWLEDGES = 1,
    HOST_ACCEPTS = 2,
    HOST_REFUSES = 4,
    HOST_SILENT_DHCP = 8,
    HOST_SILENT_DNS = 16,
    HOST_SILENT_ARP = 32,
    HOST_NO_CHECKSUMS = 64, /* the card vouches for all, and finishes those of what is sent */
};
extern uint32_t host_mode;
void host_reset(void);
/* A frame of the server's. */
void host_frame(uint8_t *frame, uint32_t bytes, const struct packet_send *first);
/* Steps of the network, each read from the input. */
void host_step_raw(void);
void host_step_connect(void);
void host_step_segment(void);
void host_step_datagram(void);
void host_step_control(void);
void host_step_neighbour(void);
void host_step_arp(void);
/* How the next frame is spoilt. */
void host_step_spoil(void);
/* Connections to a port of the server's, by number; it keeps so many at a time. */
extern uint32_t host_connections;
uint32_t host_begin(uint32_t port);
/* What came, but for the last bytes. */
void host_acknowledge(uint32_t number, uint32_t less, uint32_t window);
void host_say(uint32_t number, uint32_t bytes);
void host_end(uint32_t number); /* by RST */
/* Bytes that came in order. */
uint32_t host_taken(uint32_t number);
/* Datagrams to port 9, of those in one piece. */
uint32_t host_datagrams(void);

/* ---- input ---- */
uint32_t input_byte(void);
uint32_t input_16(void);
uint32_t input_32(void);

#endif
