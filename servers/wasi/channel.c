/* Channels (servers/wasi/include/tessera.h) and the socket calls on their descriptors. */
#include "imports.h"
#include "tessera/text.h"

static uint32_t fd_store(uint32_t error, uint32_t fd, uint32_t to)
{
    if (error == ESUCCESS)
        memcpy(at(to), &fd, sizeof(fd));
    return error;
}

static void stream_get(const struct message *m, struct process_stream *stream)
{
    message_get(m, 0, stream, sizeof(*stream));
}

uint32_t TESSERA(channel_listen)(uint32_t name, uint32_t length, uint32_t to)
{
    struct message m;
    uint32_t fd;
    if (!in_memory(to, 4))
        return EFAULT;
    uint32_t error = process_call_named(PROCESS_LISTEN, name, length, &m);
    if (error)
        return error;
    uint64_t listener = m.words[0];
    error = descriptor_take(&fd);
    if (error) {
        (void)process_call(PROCESS_UNLISTEN, &m, 1);
        return error;
    }
    descriptor_at(fd)->kind = FD_LISTENER;
    descriptor_at(fd)->listener = listener;
    return fd_store(ESUCCESS, fd, to);
}

uint32_t TESSERA(channel_connect)(uint32_t name, uint32_t length, uint32_t to)
{
    struct message m;
    struct process_stream stream;
    uint32_t fd;
    if (!in_memory(to, 4))
        return EFAULT;
    uint32_t error = process_call_named(PROCESS_CONNECT, name, length, &m);
    if (error)
        return error;
    stream_get(&m, &stream);
    error = stream_descriptor(&stream, &fd);
    return fd_store(error, fd, to);
}

uint32_t WASI(sock_accept)(uint32_t listener, uint32_t flags, uint32_t accepted)
{
    struct descriptor *descriptor = descriptor_get(listener);
    struct process_stream stream;
    uint32_t fd = 0;
    if (!descriptor)
        return EBADF;
    if (descriptor->kind != FD_LISTENER && descriptor->kind != FD_SOCKET)
        return descriptor->kind == FD_STREAM ? EINVAL : ENOTSOCK;
    if (flags & ~(uint32_t)FDFLAG_NONBLOCK)
        return EINVAL;
    if (!in_memory(accepted, 4))
        return EFAULT;
    if (descriptor->kind == FD_SOCKET) {
        uint32_t error = socket_accept(listener, flags, &fd);
        return fd_store(error, fd, accepted);
    }
    for (;;) {
        struct message m = {0, {descriptor->listener}};
        uint32_t error = process_call(PROCESS_ACCEPT, &m, 1);
        if (error == ESUCCESS) {
            stream_get(&m, &stream);
            break;
        }
        if (error != EAGAIN || (descriptor->flags & FDFLAG_NONBLOCK))
            return error;
        wait_for_signal(0);
    }
    uint32_t error = stream_descriptor(&stream, &fd);
    if (error == ESUCCESS)
        descriptor_at(fd)->flags = (uint16_t)flags;
    return fd_store(error, fd, accepted);
}

static uint32_t stream_check(uint32_t fd, struct descriptor **descriptor)
{
    *descriptor = descriptor_get(fd);
    if (!*descriptor)
        return EBADF;
    if ((*descriptor)->kind == FD_LISTENER)
        return ENOTCONN;
    return (*descriptor)->kind == FD_STREAM || (*descriptor)->kind == FD_SOCKET ? ESUCCESS : ENOTSOCK;
}

#define RECV_PEEK      1u
#define RECV_WAITALL   2u
#define SHUTDOWN_READ  1u
#define SHUTDOWN_WRITE 2u

uint32_t WASI(sock_recv)(uint32_t fd, uint32_t iovs, uint32_t count, uint32_t flags, uint32_t done, uint32_t out_flags)
{
    struct descriptor *descriptor;
    uint32_t total, moved = 0;
    uint32_t error = stream_check(fd, &descriptor);
    if (error || (error = vectors_check(iovs, count, &total)))
        return error;
    if (flags & ~RECV_PEEK)
        return flags & RECV_WAITALL ? ENOTSUP : EINVAL;
    if (!in_memory(done, 4) || !in_memory(out_flags, 2))
        return EFAULT;
    if (descriptor->kind == FD_SOCKET)
        error = socket_read(fd, iovs, count, flags & RECV_PEEK, &moved);
    else if (total > 0)
        error = stream_transfer_in(descriptor, iovs, count, flags & RECV_PEEK, &moved);
    if (error)
        return error;
    memcpy(at(done), &moved, sizeof(moved));
    memset(at(out_flags), 0, 2);
    return ESUCCESS;
}

uint32_t WASI(sock_send)(uint32_t fd, uint32_t iovs, uint32_t count, uint32_t flags, uint32_t done)
{
    struct descriptor *descriptor;
    uint32_t total, moved = 0;
    uint32_t error = stream_check(fd, &descriptor);
    if (error || (error = vectors_check(iovs, count, &total)))
        return error;
    if (flags)
        return EINVAL;
    if (!in_memory(done, 4))
        return EFAULT;
    error = descriptor->kind == FD_SOCKET ? socket_write(fd, iovs, count, total, &moved)
                                          : stream_transfer_out(descriptor, iovs, count, &moved);
    if (error)
        return error;
    memcpy(at(done), &moved, sizeof(moved));
    return ESUCCESS;
}

uint32_t WASI(sock_shutdown)(uint32_t fd, uint32_t how)
{
    struct descriptor *descriptor;
    uint32_t error = stream_check(fd, &descriptor);
    if (error)
        return error;
    if (how == 0 || (how & ~(SHUTDOWN_READ | SHUTDOWN_WRITE)))
        return EINVAL;
    if (descriptor->kind != FD_STREAM)
        return ENOTCONN;
    stream_close(&descriptor->ends,
                 (how & SHUTDOWN_READ ? STREAM_CLOSED_READ : 0) | (how & SHUTDOWN_WRITE ? STREAM_CLOSED_WRITE : 0));
    stream_signal(descriptor);
    return ESUCCESS;
}
