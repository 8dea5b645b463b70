/* Sessions and streams: the shared memory between two processes. docs/channels.md explains and justifies it.
 *
 * A session joins two processes, side 0 (who connected first) and side 1. It has one control region and, for each
 * stream, one frame with two rings. Nothing in it is trusted: each side keeps its own indices privately, reads the
 * peer's once, and treats impossible values as the peer's death. What must be true (who the peer is, whether it lives)
 * comes from the process server, never from here.
 *
 *   control region                                         ring frame of one stream
 *   +-----------------------------+ 0                      +-------------------------+ 0
 *   | ready bitmaps for side 0, 1 |                        | bytes from side 0 to 1  |
 *   +-----------------------------+ SESSION_LINES_OFFSET   +-------------------------+ ring_bytes
 *   | stream 0: line 0, line 1    |                        | bytes from side 1 to 0  |
 *   | stream 1: line 0, line 1    |                        +-------------------------+ 2 * ring_bytes
 *   +-----------------------------+
 */
#ifndef PROTO_STREAM_H
#define PROTO_STREAM_H

#include <stdint.h>

#define SESSION_READY_WORDS 8 /* 512 streams at most */

/* Which streams need a side's attention. The peer sets the stream's bit, then the word's bit in `summary`, then
 * signals; the owner takes `summary`, then the words, with atomic exchanges. */
struct session_ready {
    _Atomic uint64_t summary;
    _Atomic uint64_t words[SESSION_READY_WORDS];
};

/* Written by one side only, read by the other. Indices run freely over 32 bits; a ring's size is a power of two. */
struct stream_line {
    _Atomic uint32_t head;      /* bytes this side has written to its outgoing ring */
    _Atomic uint32_t tail;      /* bytes this side has read from its incoming ring */
    _Atomic uint32_t data_ask;  /* changes when this side wants a signal once there is data */
    _Atomic uint32_t space_ask; /* changes when this side wants a signal once there is space */
    _Atomic uint32_t closed;    /* STREAM_CLOSED_* */
    _Atomic uint32_t data_late; /* where it is data_ask: that signal may wait until the peer waits for something */
    _Atomic uint32_t ring;      /* changes when what this side writes from now on lies in a larger ring */
    uint32_t reserved[9];
};
_Static_assert(sizeof(struct stream_line) == 64, "one cache line");

#define STREAM_CLOSED_WRITE (1u << 0) /* this side writes no more: end of file after the last byte */
#define STREAM_CLOSED_READ  (1u << 1) /* this side reads no more: writing answers EPIPE */
#define STREAM_CLOSED_DIED  (1u << 2) /* written by the process server: this side's process has ended */

#define SESSION_LINES_OFFSET 256
struct session_control {
    struct session_ready ready[2]; /* [side that is to look] */
    uint8_t pad[SESSION_LINES_OFFSET - 2 * sizeof(struct session_ready)];
    struct stream_line lines[][2]; /* [stream][side that writes it] */
};

#define SESSION_CONTROL_BYTES 4096u
#define SESSION_STREAMS       ((SESSION_CONTROL_BYTES - SESSION_LINES_OFFSET) / (2 * sizeof(struct stream_line)))
#define STREAM_RING_BYTES     16384u
#define STREAM_FRAME_BYTES    (2 * STREAM_RING_BYTES)

/* A larger ring, one way: who writes has it made (PROCESS_STREAM_GROW), when all that it wrote has been read, and says
 * so in `ring` before it writes there; who reads asks where it lies (PROCESS_STREAM_RING). A power of two. */
#define STREAM_RING_LEAST (1u << 15)
#define STREAM_RING_MOST  (1u << 21)

#endif
