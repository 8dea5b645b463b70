/* Reading and writing: console, files of the archive, streams. */
#include "imports.h"
#include "proto/console.h"
#include "tessera/text.h"

#define VECTORS_MAX 1024u

uint32_t vectors_check_many(uint32_t iovs, uint32_t count, uint32_t *total)
{
    uint64_t sum = 0;
    if (count > VECTORS_MAX)
        return EINVAL;
    if (!in_memory(iovs, (uint64_t)count * 8))
        return EFAULT;
    for (uint32_t i = 0; i < count; i++) {
        struct vector vector = vector_at(iovs, i);
        if (!in_memory(vector.address, vector.length))
            return EFAULT;
        sum += vector.length;
    }
    if (sum > VECTORS_TOTAL_MAX)
        return EINVAL;
    *total = (uint32_t)sum;
    return ESUCCESS;
}

/* ---- streams ------------------------------------------------------------------------------------------------- */

/* A connection's data lies in a larger ring from here on. False: it does not. */
static bool ring_follow(struct descriptor *descriptor)
{
    struct message m = {0, {descriptor->session, descriptor->ends.index}};
    bool is_told = process_call(PROCESS_STREAM_RING, &m, 2) == ESUCCESS;
    stream_follow(&descriptor->ends, is_told ? (const void *)m.words[0] : NULL, (uint32_t)m.words[1]);
    return is_told;
}

bool stream_follow_ring(struct descriptor *descriptor)
{
    return descriptor->ends.follows && stream_has_grown(&descriptor->ends) && ring_follow(descriptor);
}

/* Takes what is there into the vectors; blocks first when nothing is, unless the descriptor must not. */
uint32_t stream_transfer_in(struct descriptor *descriptor, uint32_t iovs, uint32_t count, bool peek, uint32_t *done)
{
    struct stream *stream = &descriptor->ends;
    bool signal = false;
    *done = 0;
    while (stream_readable(stream) == 0 && !stream_at_end(stream)) {
        if ((descriptor->flags & FDFLAG_NONBLOCK) || !stream_wait(descriptor, false))
            return EAGAIN;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct vector vector = vector_at(iovs, i);
        if (!in_memory(vector.address, vector.length)) /* an earlier vector may have overwritten this one */
            break;
        uint32_t part = peek ? stream_peek(stream, at(vector.address), vector.length)
                             : stream_read(stream, at(vector.address), vector.length, &signal);
        if (part == 0 && stream_follow_ring(descriptor)) {
            i--; /* there */
            continue;
        }
        *done += part;
        if (part < vector.length || peek)
            break;
    }
    if (signal)
        stream_signal(descriptor);
    bool is_end = *done == 0 && !(stream->closed & STREAM_CLOSED_READ) && stream_readable(stream) == 0;
    return is_end ? socket_end_error(descriptor) : ESUCCESS;
}

/* Why nothing can be written any more. */
static uint32_t refusal_error(const struct descriptor *descriptor)
{
    uint32_t error = descriptor->ends.closed & STREAM_CLOSED_WRITE ? ESUCCESS : socket_end_error(descriptor);
    return error ? error : EPIPE;
}

/* All of it when blocking; what fits, at least one byte, when not. */
uint32_t stream_transfer_out(struct descriptor *descriptor, uint32_t iovs, uint32_t count, uint32_t *done)
{
    struct stream *stream = &descriptor->ends;
    *done = 0;
    if (stream->holds)
        hold_note(descriptor);
    for (uint32_t i = 0; i < count; i++) {
        struct vector vector = vector_at(iovs, i);
        uint32_t sent = 0;
        while (sent < vector.length) {
            bool signal = false;
            uint32_t part = stream_write(stream, at(vector.address + sent), vector.length - sent, &signal);
            if (signal)
                stream_signal_written(descriptor);
            sent += part;
            *done += part;
            if (part > 0)
                continue;
            if (stream_is_refused(stream))
                return *done ? ESUCCESS : refusal_error(descriptor);
            if (descriptor->flags & FDFLAG_NONBLOCK)
                return *done ? ESUCCESS : EAGAIN;
            if (!stream_wait(descriptor, true))
                return *done ? ESUCCESS : EAGAIN;
            if (stream->holds)
                hold_note(descriptor);
        }
    }
    return *done == 0 && stream_is_refused(stream) ? refusal_error(descriptor) : ESUCCESS;
}

/* ---- console and files --------------------------------------------------------------------------------------- */

/* Bytes gathered up to one message: a line that comes in several vectors costs one call. */
struct gather {
    uint8_t bytes[CONSOLE_WRITE_BYTES];
    uint32_t used;
};

static void gather_flush(struct gather *gather, uint32_t stream)
{
    if (gather->used > 0)
        log_write(stream, (const char *)gather->bytes, gather->used);
    gather->used = 0;
}

static void console_write(uint32_t stream, uint32_t iovs, uint32_t count)
{
    struct gather gather;
    gather.used = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct vector vector = vector_at(iovs, i);
        for (uint32_t from = 0; from < vector.length;) {
            uint32_t part = (uint32_t)sizeof(gather.bytes) - gather.used;
            if (part > vector.length - from)
                part = vector.length - from;
            memcpy(gather.bytes + gather.used, at(vector.address + from), part);
            gather.used += part;
            from += part;
            if (gather.used == sizeof(gather.bytes))
                gather_flush(&gather, stream);
        }
    }
    gather_flush(&gather, stream);
}

uint32_t terminal_bytes(bool *is_end)
{
    struct message m = {message_info(CONSOLE_READ, 0, 2), {0, 1}};
    *is_end = console_call(&m) != ERROR_NONE || m.words[1];
    return *is_end ? 0 : (uint32_t)m.words[0];
}

/* What is there now, as far as there is room; how much. */
static uint32_t terminal_take(uint32_t iovs, uint32_t count)
{
    uint32_t done = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct vector vector = vector_at(iovs, i);
        for (uint32_t from = 0; from < vector.length;) {
            struct message m = {message_info(CONSOLE_READ, 0, 2), {vector.length - from, 0}};
            if (console_call(&m) != ERROR_NONE || m.words[0] == 0 || m.words[0] > vector.length - from ||
                m.words[0] > CONSOLE_READ_BYTES || !in_memory(vector.address, vector.length))
                return done;
            message_get(&m, 2, at(vector.address + from), m.words[0]);
            from += (uint32_t)m.words[0];
            done += (uint32_t)m.words[0];
        }
    }
    return done;
}

/* Waits for the first byte, unless the descriptor must not. Another process may have the terminal, too, and take what
 * we were told of: then we wait on. */
static uint32_t terminal_read(const struct descriptor *descriptor, uint32_t iovs, uint32_t count, uint32_t total,
                              uint32_t *done)
{
    bool is_end = false;
    while (total > 0) {
        uint32_t there = terminal_bytes(&is_end);
        if (is_end || (there > 0 && (*done = terminal_take(iovs, count)) > 0))
            break;
        if (there == 0 && (descriptor->flags & FDFLAG_NONBLOCK))
            return EAGAIN;
        if (there == 0)
            wait_for_signal(0);
    }
    return ESUCCESS;
}

static uint32_t file_read(const struct descriptor *descriptor, uint64_t offset, uint32_t iovs, uint32_t count)
{
    uint32_t done = 0;
    for (uint32_t i = 0; i < count && offset < descriptor->file.size; i++) {
        struct vector vector = vector_at(iovs, i);
        uint64_t left = descriptor->file.size - offset;
        uint32_t part = vector.length < left ? vector.length : (uint32_t)left;
        if (!in_memory(vector.address, part))
            break;
        memcpy(at(vector.address), descriptor->file.bytes + offset, part);
        offset += part;
        done += part;
    }
    return done;
}

/* Inline, since every message passes here. */
__attribute__((always_inline)) static inline uint32_t check(uint32_t fd, uint64_t right, uint32_t iovs, uint32_t count,
                                                            uint32_t done, struct descriptor **descriptor,
                                                            uint32_t *total)
{
    *descriptor = descriptor_get(fd);
    if (!*descriptor)
        return EBADF;
    uint32_t error = node_open(*descriptor);
    if (error)
        return error;
    if (((*descriptor)->rights & right) != right)
        return ENOTCAPABLE;
    if (!in_memory(done, 4))
        return EFAULT;
    return vectors_check(iovs, count, total);
}

static uint32_t finish(uint32_t error, uint32_t value, uint32_t done)
{
    if (error == ESUCCESS)
        __builtin_memcpy(at(done), &value, sizeof(value)); /* no call */
    return error;
}

uint32_t WASI(fd_read)(uint32_t fd, uint32_t iovs, uint32_t count, uint32_t done)
{
    struct descriptor *descriptor;
    uint32_t total, moved = 0;
    uint32_t error = check(fd, RIGHT_FD_READ, iovs, count, done, &descriptor, &total);
    if (error)
        return error;
    switch ((enum descriptor_kind)descriptor->kind) {
    case FD_FILE:
        moved = file_read(descriptor, descriptor->file.offset, iovs, count);
        descriptor->file.offset += moved;
        break;
    case FD_SOCKET:
        error = socket_read(fd, iovs, count, false, &moved);
        break;
    case FD_STREAM:
        if (total > 0)
            error = stream_transfer_in(descriptor, iovs, count, false, &moved);
        break;
    case FD_NODE:
        error = node_read(descriptor, descriptor->node.offset, iovs, count, &moved);
        descriptor->node.offset += moved;
        break;
    case FD_TERMINAL:
        if (total > 0)
            error = terminal_read(descriptor, iovs, count, total, &moved);
        break;
    case FD_NULL:
        break;
    default:
        error = EBADF; /* the console's output side, a listener */
    }
    return finish(error, moved, done);
}

uint32_t WASI(fd_write)(uint32_t fd, uint32_t iovs, uint32_t count, uint32_t done)
{
    struct descriptor *descriptor;
    uint32_t total, moved = 0;
    uint32_t error = check(fd, RIGHT_FD_WRITE, iovs, count, done, &descriptor, &total);
    if (error)
        return error;
    switch ((enum descriptor_kind)descriptor->kind) {
    case FD_CONSOLE:
        console_write(descriptor->stream, iovs, count);
        moved = total;
        break;
    case FD_NULL:
        moved = total;
        break;
    case FD_SOCKET:
        error = socket_write(fd, iovs, count, total, &moved);
        break;
    case FD_STREAM:
        error = stream_transfer_out(descriptor, iovs, count, &moved);
        break;
    case FD_NODE:
        error = node_write(descriptor, descriptor->node.offset, iovs, count, &moved, &descriptor->node.offset);
        break;
    default:
        error = EBADF; /* read-only */
    }
    return finish(error, moved, done);
}

uint32_t WASI(fd_pread)(uint32_t fd, uint32_t iovs, uint32_t count, uint64_t offset, uint32_t done)
{
    struct descriptor *descriptor;
    uint32_t total;
    uint32_t error = check(fd, RIGHT_FD_READ | RIGHT_FD_SEEK, iovs, count, done, &descriptor, &total);
    if (error)
        return error;
    if (descriptor->kind == FD_FILE)
        return finish(ESUCCESS, file_read(descriptor, offset, iovs, count), done);
    if (descriptor->kind != FD_NODE)
        return ESPIPE;
    uint32_t moved = 0;
    error = offset > INT64_MAX ? EINVAL : node_read(descriptor, offset, iovs, count, &moved);
    return finish(error, moved, done);
}

uint32_t WASI(fd_pwrite)(uint32_t fd, uint32_t iovs, uint32_t count, uint64_t offset, uint32_t done)
{
    struct descriptor *descriptor;
    uint32_t total, moved = 0;
    uint64_t end;
    uint32_t error = check(fd, RIGHT_FD_WRITE | RIGHT_FD_SEEK, iovs, count, done, &descriptor, &total);
    if (error)
        return error;
    if (descriptor->kind != FD_NODE)
        return descriptor->kind == FD_FILE ? EBADF : ESPIPE;
    error = offset > INT64_MAX ? EINVAL : node_write(descriptor, offset, iovs, count, &moved, &end);
    return finish(error, moved, done);
}
