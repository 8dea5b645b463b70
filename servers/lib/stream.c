/* See tessera/stream.h.
 *
 * The order of every exchange is Dekker's: a side publishes (an index, or that it asks), crosses a full fence, then
 * looks at what the other published. So either the writer sees the ask, or the asker sees the data.
 */
#include "tessera/stream.h"

#include <stdatomic.h>

void stream_open(struct stream *stream, struct session_control *control, uint32_t index, uint32_t side, void *rings,
                 uint32_t ring_bytes)
{
    uint8_t *ring = rings;
    *stream = (struct stream){
        .own = &control->lines[index][side],
        .peer = &control->lines[index][1 - side],
        .peer_ready = &control->ready[1 - side],
        .out = ring + (side == 0 ? 0 : ring_bytes),
        .in = ring + (side == 0 ? ring_bytes : 0),
        .out_bytes = ring_bytes,
        .in_bytes = ring_bytes,
        .index = index,
        .head = atomic_load(&control->lines[index][side].head),
        .tail = atomic_load(&control->lines[index][side].tail),
        .closed = atomic_load(&control->lines[index][side].closed),
    };
}

uint32_t stream_readable_elsewhere(struct stream *stream, uint32_t used)
{
    if (stream->follows && stream_has_grown(stream) && used <= STREAM_RING_MOST)
        return used;
    stream->is_broken = true;
    return 0;
}

bool stream_at_end(struct stream *stream)
{
    if (stream->closed & STREAM_CLOSED_READ)
        return true;
    /* Closed is read before the index: the peer's last bytes were published before it closed. */
    bool is_closed = atomic_load_explicit(&stream->peer->closed, memory_order_acquire) & STREAM_CLOSED_WRITE;
    return (is_closed || stream->is_broken) && stream_readable(stream) == 0;
}

static bool peer_index_is_sane(struct stream *stream, uint32_t *used)
{
    *used = stream->head - atomic_load_explicit(&stream->peer->tail, memory_order_acquire);
    if (*used > stream->out_bytes)
        stream->is_broken = true;
    return !stream->is_broken;
}

uint32_t stream_writable(struct stream *stream)
{
    uint32_t used;
    if (stream_is_refused(stream) || !peer_index_is_sane(stream, &used))
        return 0;
    return stream->out_bytes - used;
}

bool stream_is_refused(const struct stream *stream)
{
    return stream->is_broken || (stream->closed & STREAM_CLOSED_WRITE) ||
           (atomic_load_explicit(&stream->peer->closed, memory_order_acquire) & STREAM_CLOSED_READ);
}

static void set_ready(struct stream *stream)
{
    atomic_fetch_or(&stream->peer_ready->words[stream->index / 64], 1ul << stream->index % 64);
    atomic_fetch_or(&stream->peer_ready->summary, 1ul << stream->index / 64);
}

/* True when the peer asked since it was last answered; the answer (ready bit and signal) is then due. */
static bool is_asked(struct stream *stream, const _Atomic uint32_t *peer_ask, uint32_t *answered)
{
    uint32_t ask = atomic_load_explicit(peer_ask, memory_order_relaxed);
    if (ask == *answered)
        return false;
    *answered = ask;
    set_ready(stream);
    return true;
}

/* What can be read from the ring that this side knows: nothing while it is to follow to a larger one. Inline, since
 * every message passes here. */
__attribute__((always_inline)) static inline uint32_t readable_here(struct stream *stream)
{
    uint32_t readable = stream_readable(stream); /* read before `ring`, which was written before it */
    return stream->follows && stream_has_grown(stream) ? 0 : readable;
}

static void copy_out(const struct stream *stream, void *buffer, uint32_t bytes)
{
    uint32_t at = stream->tail & (stream->in_bytes - 1);
    uint32_t first = bytes < stream->in_bytes - at ? bytes : stream->in_bytes - at;
    __builtin_memcpy(buffer, stream->in + at, first);
    if (bytes > first)
        __builtin_memcpy((uint8_t *)buffer + first, stream->in, bytes - first);
}

uint32_t stream_peek(struct stream *stream, void *buffer, uint32_t bytes)
{
    uint32_t readable = readable_here(stream);
    if (bytes > readable)
        bytes = readable;
    copy_out(stream, buffer, bytes);
    return bytes;
}

/* Of `readable` bytes so many have been read. */
static inline void take(struct stream *stream, uint32_t bytes, uint32_t readable, bool *signal)
{
    stream->tail += bytes;
    atomic_store_explicit(&stream->own->tail, stream->tail, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    /* A writer is woken when half of the ring is free, not for every byte. */
    if (readable - bytes <= stream->in_bytes / 2 && is_asked(stream, &stream->peer->space_ask, &stream->space_answered))
        *signal = true;
}

uint32_t stream_read(struct stream *stream, void *buffer, uint32_t bytes, bool *signal)
{
    uint32_t readable = readable_here(stream);
    if (bytes > readable)
        bytes = readable;
    if (bytes == 0)
        return 0;
    copy_out(stream, buffer, bytes);
    take(stream, bytes, readable, signal);
    return bytes;
}

const void *stream_span(struct stream *stream, uint32_t *bytes)
{
    uint32_t at = stream->tail & (stream->in_bytes - 1), readable = readable_here(stream);
    *bytes = readable < stream->in_bytes - at ? readable : stream->in_bytes - at;
    return stream->in + at;
}

void stream_skip(struct stream *stream, uint32_t bytes, bool *signal)
{
    uint32_t readable = readable_here(stream);
    if (bytes > 0 && bytes <= readable)
        take(stream, bytes, readable, signal);
}

/* Inline, since every message passes here. */
__attribute__((always_inline)) static inline void publish(struct stream *stream, bool *signal)
{
    atomic_store_explicit(&stream->own->head, stream->head, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    if (is_asked(stream, &stream->peer->data_ask, &stream->data_answered))
        *signal = true;
}

void stream_publish(struct stream *stream, bool *signal)
{
    publish(stream, signal);
}

uint32_t stream_write(struct stream *stream, const void *buffer, uint32_t bytes, bool *signal)
{
    uint32_t writable = stream_writable(stream);
    if (bytes > writable)
        bytes = writable;
    if (bytes == 0)
        return 0;
    uint32_t at = stream->head & (stream->out_bytes - 1);
    uint32_t first = bytes < stream->out_bytes - at ? bytes : stream->out_bytes - at;
    __builtin_memcpy(stream->out + at, buffer, first);
    if (bytes > first)
        __builtin_memcpy(stream->out, (const uint8_t *)buffer + first, bytes - first);
    stream->head += bytes;
    if (!stream->holds)
        publish(stream, signal);
    return bytes;
}

bool stream_grow(struct stream *stream, void *ring, uint32_t bytes)
{
    uint32_t used;
    if (!peer_index_is_sane(stream, &used) || used > 0)
        return false;
    stream->out = ring;
    stream->out_bytes = bytes;
    atomic_store_explicit(&stream->own->ring, atomic_load_explicit(&stream->own->ring, memory_order_relaxed) + 1,
                          memory_order_relaxed); /* before the next head */
    return true;
}

void stream_follow(struct stream *stream, const void *ring, uint32_t bytes)
{
    stream->is_broken |= !ring;
    stream->in = ring;
    stream->in_bytes = bytes;
    stream->in_ring = atomic_load_explicit(&stream->peer->ring, memory_order_relaxed);
}

static void ask(_Atomic uint32_t *own_ask)
{
    atomic_store_explicit(own_ask, atomic_load_explicit(own_ask, memory_order_relaxed) + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
}

bool stream_ask_data(struct stream *stream)
{
    ask(&stream->own->data_ask);
    return stream_readable(stream) > 0 || stream_at_end(stream);
}

bool stream_ask_data_late(struct stream *stream)
{
    uint32_t next = atomic_load_explicit(&stream->own->data_ask, memory_order_relaxed) + 1;
    atomic_store_explicit(&stream->own->data_late, next, memory_order_relaxed);
    return stream_ask_data(stream);
}

bool stream_ask_space(struct stream *stream)
{
    ask(&stream->own->space_ask);
    return stream_writable(stream) > 0 || stream_is_refused(stream);
}

void stream_close(struct stream *stream, uint32_t halves)
{
    stream->closed |= halves;
    atomic_store_explicit(&stream->own->head, stream->head, memory_order_release);
    atomic_store_explicit(&stream->own->closed, stream->closed, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    set_ready(stream);
}

uint64_t session_take_ready(struct session_ready *ready)
{
    if (atomic_load_explicit(&ready->summary, memory_order_acquire) == 0)
        return 0;
    (void)atomic_exchange(&ready->summary, 0);
    return atomic_exchange(&ready->words[0], 0);
}

void session_put_ready(struct session_ready *ready, uint64_t bits)
{
    atomic_fetch_or(&ready->words[0], bits);
    atomic_fetch_or(&ready->summary, 1ul);
}
