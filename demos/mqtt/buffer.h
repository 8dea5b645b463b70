/* Bytes that wait: appended at the tail, taken from the head. `bytes` is NULL while nothing was ever kept. */
#ifndef DEMOS_MQTT_BUFFER_H
#define DEMOS_MQTT_BUFFER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_FIRST = 2048, BUFFER_BUSY = 32768 }; /* bytes at first, and what a busy connection may keep when empty */

struct buffer {
    uint8_t *bytes;
    uint32_t cap, head, tail;
};

static inline uint32_t buffer_used(const struct buffer *buffer)
{
    return buffer->tail - buffer->head;
}

/* Makes room for `len` more bytes at the tail. False: no memory. */
static inline bool buffer_grow(struct buffer *buffer, size_t len)
{
    uint32_t used = buffer_used(buffer), cap = buffer->cap == 0 ? BUFFER_FIRST : buffer->cap;
    if (used > 0 && buffer->head > 0)
        memmove(buffer->bytes, buffer->bytes + buffer->head, used);
    buffer->head = 0;
    buffer->tail = used;
    while (cap - used < len)
        cap *= 2;
    if (cap == buffer->cap)
        return true;
    uint8_t *bytes = realloc(buffer->bytes, cap);
    if (bytes == NULL)
        return false;
    buffer->bytes = bytes;
    buffer->cap = cap;
    return true;
}

static inline bool buffer_reserve(struct buffer *buffer, size_t len)
{
    return buffer->cap - buffer->tail >= len || buffer_grow(buffer, len);
}

static inline void buffer_take(struct buffer *buffer, uint32_t len)
{
    buffer->head += len;
    if (buffer->head == buffer->tail)
        buffer->head = buffer->tail = 0;
}

/* An idle connection should cost little: large empty buffers are given back. */
static inline void buffer_trim(struct buffer *buffer, uint32_t cap_max)
{
    if (buffer_used(buffer) == 0 && buffer->cap > cap_max) {
        free(buffer->bytes);
        *buffer = (struct buffer){0};
    }
}

#endif
