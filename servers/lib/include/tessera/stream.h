/* One side of a stream: reading and writing the rings of proto/stream.h.
 *
 * Plain code without system calls, so that it is tested on the host: where the peer must be signalled, a function says
 * so and the caller signals. Nothing blocks. A `struct stream` belongs to one thread. The peer may write anything into
 * the shared memory at any time; the worst that follows is wrong bytes or a stream that is_broken.
 */
#ifndef TESSERA_STREAM_H
#define TESSERA_STREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/stream.h"

struct stream {
    struct stream_line *own;  /* written here */
    struct stream_line *peer; /* read only */
    struct session_ready *peer_ready;
    uint8_t *out;
    const uint8_t *in;
    uint32_t out_bytes, in_bytes; /* of the rings */
    uint32_t in_ring;             /* peer->ring, of the ring that `in` is */
    uint32_t index;               /* within the session */
    uint32_t head, tail;          /* the truth; own->head and own->tail are copies for the peer */
    uint32_t data_answered;       /* the peer's asks that were answered with a signal */
    uint32_t space_answered;
    uint32_t closed; /* STREAM_CLOSED_* of this side */
    bool is_broken;  /* the peer wrote impossible indices, or the process server said that it died */
    bool follows;    /* who reads asks for a larger ring of the peer's; else there is to be none */
    bool holds;      /* what is written is shown to the peer by stream_publish only, or by closing */
};

/* `control` and `rings` are the shared regions, `side` is 0 or 1. It goes on where whoever had this side before
 * left off; of a new stream both rings are empty. */
void stream_open(struct stream *stream, struct session_control *control, uint32_t index, uint32_t side, void *rings,
                 uint32_t ring_bytes);

/* More than the ring holds is in a larger one, or the peer's fault. */
uint32_t stream_readable_elsewhere(struct stream *stream, uint32_t used);

/* Bytes that stream_read would return; 0 also at the end of the data. The peer's index is read once; an impossible one
 * breaks the stream for good. */
static inline uint32_t stream_readable(struct stream *stream)
{
    if ((stream->closed & STREAM_CLOSED_READ) || stream->is_broken)
        return 0;
    uint32_t used = atomic_load_explicit(&stream->peer->head, memory_order_acquire) - stream->tail;
    return used <= stream->in_bytes ? used : stream_readable_elsewhere(stream, used);
}
/* True when the peer has closed and everything was read, or the stream is broken: reading gives end of file. */
bool stream_at_end(struct stream *stream);
/* Bytes that stream_write would take. */
uint32_t stream_writable(struct stream *stream);
/* True when the peer reads no more: writing answers EPIPE. */
bool stream_is_refused(const struct stream *stream);

/* Move up to `bytes` and return how many; *signal is set (never cleared) when the peer asked to hear of it. */
uint32_t stream_read(struct stream *stream, void *buffer, uint32_t bytes, bool *signal);
uint32_t stream_write(struct stream *stream, const void *buffer, uint32_t bytes, bool *signal);
/* Of a stream that holds: shows the peer what was written. */
void stream_publish(struct stream *stream, bool *signal);
/* The same without taking the bytes away. */
uint32_t stream_peek(struct stream *stream, void *buffer, uint32_t bytes);
/* What is readable in one piece, where it lies: the peer may still change it. Then takes so much of it away. */
const void *stream_span(struct stream *stream, uint32_t *bytes);
void stream_skip(struct stream *stream, uint32_t bytes, bool *signal);

/* What is written from now on lies in that ring, when all that was written has been read; false: it has not. */
bool stream_grow(struct stream *stream, void *ring, uint32_t bytes);
/* The peer has done so: a stream that follows gives nothing before stream_follow. */
static inline bool stream_has_grown(const struct stream *stream)
{
    return atomic_load_explicit(&stream->peer->ring, memory_order_relaxed) != stream->in_ring;
}
/* `ring` and `bytes` as the process server says; NULL: it knows of none, the stream is broken. */
void stream_follow(struct stream *stream, const void *ring, uint32_t bytes);

/* Asks the peer for a signal, then looks again: true when there is already something to do, so do not wait. */
bool stream_ask_data(struct stream *stream);
bool stream_ask_space(struct stream *stream);
/* As stream_ask_data; but a signal is soon enough once the peer has nothing else to do, so that what it writes until
 * then costs one. Who asks so looks again after a while: the peer may have much to do. */
bool stream_ask_data_late(struct stream *stream);
/* The signal that writing has just said is due may wait until this side is about to wait. */
static inline bool stream_may_be_late(const struct stream *stream)
{
    return atomic_load_explicit(&stream->peer->data_late, memory_order_relaxed) == stream->data_answered;
}

/* Closes the writing or reading half or both (STREAM_CLOSED_*). The peer is always to be signalled after. */
void stream_close(struct stream *stream, uint32_t halves);

/* Takes the bits of streams that need attention. */
uint64_t session_take_ready(struct session_ready *ready);
/* Gives some of them back. */
void session_put_ready(struct session_ready *ready, uint64_t bits);
_Static_assert(SESSION_STREAMS <= 64, "one word has them all");

#endif
