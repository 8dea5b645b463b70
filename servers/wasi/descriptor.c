/* The descriptor table, and the calls that concern descriptors as such. */
#include "imports.h"
#include "proto/fs.h"
#include "tessera/text.h"

struct descriptor descriptors[DESCRIPTORS];
uint32_t descriptor_count = DESCRIPTORS;
static uint32_t heap_pages; /* of 64 KiB */
static uint32_t first_free; /* none is free below */

static bool descriptors_grow(void)
{
    struct message m = {0, {PROCESS_HEAP_BASE, heap_pages, 1}};
    if (descriptor_count >= DESCRIPTORS_MAX || process_call(PROCESS_GROW, &m, 3) != ESUCCESS)
        return false;
    heap_pages++;
    descriptor_count = DESCRIPTORS + (uint32_t)(heap_pages * 65536ul / sizeof(struct descriptor));
    if (descriptor_count > DESCRIPTORS_MAX)
        descriptor_count = DESCRIPTORS_MAX;
    return true;
}

uint32_t descriptor_take(uint32_t *fd)
{
    uint32_t i = first_free;
    while (i < descriptor_count && descriptor_at(i)->kind != FD_FREE)
        i++;
    first_free = i;
    if (i == descriptor_count && !descriptors_grow())
        return EMFILE;
    memset(descriptor_at(i), 0, sizeof(struct descriptor));
    descriptor_at(i)->rights = RIGHTS_ALL;
    *fd = i;
    return ESUCCESS;
}

static void descriptor_free(uint32_t fd)
{
    descriptor_at(fd)->kind = FD_FREE;
    if (fd < first_free)
        first_free = fd;
}

/* ---- numbers ------------------------------------------------------------------------------------------------- */

static bool has_aliases; /* there was one, ever */

/* `to` is free; `from` is so then. */
static void descriptor_move(uint32_t from, uint32_t to)
{
    *descriptor_at(to) = *descriptor_at(from);
    epoll_renumber(from, to);
    descriptor_free(from);
    if (has_stream(descriptor_at(to)))
        session_rename(descriptor_at(to)->session, descriptor_at(to)->ends.index, to);
    for (uint32_t fd = 0; has_aliases && fd < descriptor_count; fd++)
        if (descriptor_at(fd)->kind == FD_ALIAS && descriptor_at(fd)->session == from)
            descriptor_at(fd)->session = (uint16_t)to;
}

/* True: it had another number, by which it goes on. */
static bool descriptor_leave(uint32_t fd)
{
    if (descriptor_at(fd)->kind == FD_ALIAS) {
        descriptor_free(fd);
        return true;
    }
    for (uint32_t other = 0; has_aliases && other < descriptor_count; other++)
        if (descriptor_at(other)->kind == FD_ALIAS && descriptor_at(other)->session == fd) {
            hold_release();
            descriptor_move(fd, other);
            return true;
        }
    return false;
}

void descriptor_alias(uint32_t fd, uint32_t open)
{
    descriptor_close(fd);
    memset(descriptor_at(fd), 0, sizeof(struct descriptor));
    descriptor_at(fd)->kind = FD_ALIAS;
    descriptor_at(fd)->session = (uint16_t)open;
    has_aliases = true;
}

void descriptor_open_stream(uint32_t fd, const struct process_stream *stream)
{
    struct descriptor *descriptor = descriptor_at(fd);
    struct session_control *control = (struct session_control *)stream->session_address;
    uint32_t side = stream->side_generation & 1;
    descriptor->kind = FD_STREAM;
    descriptor->session = (uint16_t)stream->session;
    descriptor->signal_cap = (uint32_t)stream->signal_cap;
    stream_open(&descriptor->ends, control, (uint32_t)stream->stream, side, (void *)stream->ring_address,
                (uint32_t)stream->ring_bytes);
    session_note(descriptor->session, (uint32_t)stream->stream, control, side, fd);
}

uint32_t stream_descriptor(const struct process_stream *stream, uint32_t *fd)
{
    uint32_t error = descriptor_take(fd);
    if (!error && *fd >= DESCRIPTORS_STREAM)
        error = EMFILE;
    if (error) {
        struct message m = {0, {stream->session, stream->stream}};
        (void)process_call(PROCESS_STREAM_CLOSE, &m, 2);
        return error;
    }
    descriptor_open_stream(*fd, stream);
    return ESUCCESS;
}

void descriptors_init(void)
{
    for (uint32_t i = 0; i < START_DESCRIPTORS; i++) {
        const struct start_descriptor *start = &start_page->descriptors[i];
        struct descriptor *descriptor = &descriptors[i];
        descriptor->rights = RIGHTS_ALL;
        descriptor->is_pipe = start->side && start->kind != START_DESCRIPTOR_STREAM;
        if (start->kind == START_DESCRIPTOR_CONSOLE) {
            descriptor->kind = FD_CONSOLE;
            descriptor->stream = (uint8_t)start->stream;
        } else if (start->kind == START_DESCRIPTOR_TERMINAL) {
            descriptor->kind = FD_TERMINAL;
        } else if (start->kind == START_DESCRIPTOR_NULL) {
            descriptor->kind = FD_NULL;
        } else if (start->kind == START_DESCRIPTOR_FILE) {
            descriptor->kind = FD_FILE;
            descriptor->file.bytes = (const uint8_t *)start->address;
            descriptor->file.size = start->bytes;
        } else if (start->kind == START_DESCRIPTOR_STREAM) {
            struct process_stream stream = {
                .session = start->session,
                .side_generation = (uint64_t)start->generation << 1 | start->side,
                .stream = start->stream,
                .session_address = start->session_address,
                .ring_address = start->address,
                .ring_bytes = start->bytes,
                .signal_cap = start->signal_cap,
            };
            descriptor_open_stream(i, &stream);
        }
    }
    preopens_init();
}

void descriptor_stream_drop(struct descriptor *descriptor)
{
    struct message m = {0, {descriptor->session, descriptor->ends.index}};
    signals_send(); /* the capability may go with the stream */
    stream_close(&descriptor->ends, STREAM_CLOSED_READ | STREAM_CLOSED_WRITE);
    stream_signal(descriptor);
    session_forget(descriptor->session, descriptor->ends.index);
    (void)process_call(PROCESS_STREAM_CLOSE, &m, 2);
}

void descriptor_close(uint32_t fd)
{
    struct descriptor *descriptor = descriptor_at(fd);
    if (descriptor_leave(fd))
        return;
    epoll_forget(fd);
    if (has_stream(descriptor)) {
        descriptor_stream_drop(descriptor);
    } else if (descriptor->kind == FD_SOCKET) {
        socket_close(descriptor);
    } else if (descriptor->kind == FD_LISTENER) {
        struct message m = {0, {descriptor->listener}};
        (void)process_call(PROCESS_UNLISTEN, &m, 1);
    } else if (descriptor->kind == FD_NODE) {
        node_close(descriptor);
    }
    descriptor_free(fd);
}

uint32_t WASI(fd_close)(uint32_t fd)
{
    struct descriptor *descriptor = descriptor_get(fd);
    if (!descriptor)
        return EBADF;
    if (!descriptor_leave(fd) && !hold_close(descriptor))
        descriptor_close(fd);
    return ESUCCESS;
}

uint32_t WASI(fd_renumber)(uint32_t from, uint32_t to)
{
    if (!descriptor_get(from) || !descriptor_get(to))
        return EBADF;
    if (from == to)
        return ESUCCESS;
    hold_release();
    if (has_stream(descriptor_at(from)) && to >= DESCRIPTORS_STREAM)
        return EMFILE;
    descriptor_close(to);
    descriptor_move(from, to);
    return ESUCCESS;
}

static enum filetype filetype_of(const struct descriptor *descriptor)
{
    switch ((enum descriptor_kind)descriptor->kind) {
    case FD_CONSOLE:
    case FD_TERMINAL:
        return descriptor->is_pipe ? FILETYPE_UNKNOWN : FILETYPE_CHARACTER;
    case FD_NULL:
        return FILETYPE_CHARACTER;
    case FD_NODE:
        return (enum filetype)descriptor->node.type;
    case FD_FILE:
        return FILETYPE_REGULAR;
    case FD_SOCKET:
        return descriptor->socket.kind == NET_KIND_UDP ? FILETYPE_DATAGRAM : FILETYPE_SOCKET;
    case FD_STREAM:
    case FD_LISTENER:
        return FILETYPE_SOCKET;
    case FD_GIVEN:
    case FD_EPOLL:
    case FD_ALIAS:
    case FD_FREE:
        break;
    }
    return FILETYPE_UNKNOWN;
}

static uint64_t rights_of(const struct descriptor *descriptor)
{
    uint64_t rights = RIGHTS_ALL;
    if (descriptor->kind == FD_FILE)
        rights &= ~(uint64_t)RIGHT_FD_WRITE;
    else if (descriptor->kind != FD_NODE) /* and it is no terminal unless it has neither: wasi-libc's isatty */
        rights &= ~(uint64_t)(RIGHT_FD_TELL | RIGHT_FD_SEEK);
    return rights & descriptor->rights;
}

uint32_t WASI(fd_fdstat_get)(uint32_t fd, uint32_t stat)
{
    struct descriptor *descriptor = descriptor_get(fd);
    if (!descriptor)
        return EBADF;
    if (!in_memory(stat, 24))
        return EFAULT;
    uint32_t error = node_open(descriptor);
    if (error)
        return error;
    struct {
        uint8_t filetype, pad;
        uint16_t flags;
        uint32_t pad2;
        uint64_t base, inheriting;
    } out = {(uint8_t)filetype_of(descriptor), 0, descriptor->flags, 0, rights_of(descriptor), 0};
    if (descriptor->kind == FD_NODE)
        out.inheriting = descriptor->node.inheriting;
    memcpy(at(stat), &out, sizeof(out));
    return ESUCCESS;
}

uint32_t WASI(fd_fdstat_set_flags)(uint32_t fd, uint32_t flags)
{
    struct descriptor *descriptor = descriptor_get(fd);
    if (!descriptor)
        return EBADF;
    if (flags & ~(uint32_t)FDFLAGS_ALL)
        return EINVAL;
    uint32_t error = node_open(descriptor);
    if (error)
        return error;
    if (!(rights_of(descriptor) & RIGHT_FD_SET_FLAGS))
        return ENOTCAPABLE;
    descriptor->flags = (uint16_t)flags;
    return ESUCCESS;
}

/* Rights only shrink. */
uint32_t WASI(fd_fdstat_set_rights)(uint32_t fd, uint64_t base, uint64_t inheriting)
{
    struct descriptor *descriptor = descriptor_get(fd);
    if (!descriptor)
        return EBADF;
    uint32_t error = node_open(descriptor);
    if (error)
        return error;
    if ((base & ~rights_of(descriptor)) ||
        (inheriting & ~(descriptor->kind == FD_NODE ? descriptor->node.inheriting : 0)))
        return ENOTCAPABLE;
    descriptor->rights = base;
    if (descriptor->kind == FD_NODE)
        descriptor->node.inheriting = inheriting;
    return ESUCCESS;
}

uint32_t WASI(fd_filestat_get)(uint32_t fd, uint32_t stat)
{
    struct descriptor *descriptor = descriptor_get(fd);
    if (!descriptor)
        return EBADF;
    if (!in_memory(stat, 64))
        return EFAULT;
    if (descriptor->kind == FD_NODE) {
        struct message m = {0};
        uint32_t error = node_get(fd, RIGHT_FD_STAT, EBADF, &descriptor);
        if (!error && !(error = node_call(descriptor, FS_STAT, &m)))
            memcpy(at(stat), m.words, sizeof(struct fs_stat));
        return error;
    }
    uint64_t out[8] = {0, fd, filetype_of(descriptor), 1, descriptor->kind == FD_FILE ? descriptor->file.size : 0};
    memcpy(at(stat), out, sizeof(out));
    return ESUCCESS;
}

uint32_t WASI(fd_advise)(uint32_t fd, uint64_t offset, uint64_t length, uint32_t advice)
{
    struct descriptor *descriptor = descriptor_get(fd);
    if (!descriptor)
        return EBADF;
    if (descriptor->kind != FD_FILE && descriptor->kind != FD_NODE)
        return ESPIPE;
    if (descriptor->kind == FD_NODE && !(descriptor->rights & RIGHT_FD_ADVISE))
        return ENOTCAPABLE;
    uint64_t end;
    return advice > 5 || __builtin_add_overflow(offset, length, &end) || end > INT64_MAX ? EINVAL : ESUCCESS;
}

/* Asks the server of a node; what else there is cannot be changed in size or time: files of the archive are read-only,
 * the rest has neither. */
static uint32_t change(uint32_t fd, uint64_t right, uint64_t operation, struct message m, bool is_valid)
{
    struct descriptor *descriptor = descriptor_get(fd);
    if (!descriptor)
        return EBADF;
    uint32_t error = node_get(fd, right, descriptor->kind == FD_FILE ? EROFS : EINVAL, &descriptor);
    return error ? error : is_valid ? node_call(descriptor, operation, &m) : EINVAL;
}

uint32_t WASI(fd_allocate)(uint32_t fd, uint64_t offset, uint64_t length)
{
    uint64_t end;
    bool is_valid = !__builtin_add_overflow(offset, length, &end) && end <= INT64_MAX && length > 0;
    return change(fd, RIGHT_FD_ALLOCATE, FS_ALLOCATE, (struct message){0, {0, offset, length}}, is_valid);
}

uint32_t WASI(fd_filestat_set_size)(uint32_t fd, uint64_t size)
{
    return change(fd, RIGHT_FD_SET_SIZE, FS_RESIZE, (struct message){0, {0, size}}, size <= INT64_MAX);
}

uint32_t WASI(fd_filestat_set_times)(uint32_t fd, uint64_t accessed, uint64_t modified, uint32_t flags)
{
    return change(fd, RIGHT_FD_SET_TIMES, FS_TIMES, (struct message){0, {0, accessed, modified, flags}}, true);
}

static uint32_t sync(uint32_t fd, uint64_t right, bool data_only)
{
    const struct descriptor *descriptor = descriptor_get(fd);
    if (descriptor && descriptor->kind == FD_FILE)
        return ESUCCESS;
    return change(fd, right, FS_SYNC, (struct message){0, {0, data_only}}, true);
}

uint32_t WASI(fd_sync)(uint32_t fd)
{
    return sync(fd, RIGHT_FD_SYNC, false);
}

uint32_t WASI(fd_datasync)(uint32_t fd)
{
    return sync(fd, RIGHT_FD_DATASYNC, true);
}

/* Where the descriptor's offset is, and how large what it names. */
static uint32_t position(struct descriptor *descriptor, uint32_t whence, uint64_t **offset, uint64_t *size)
{
    *size = 0;
    if (descriptor->kind == FD_FILE) {
        *offset = &descriptor->file.offset;
        *size = descriptor->file.size;
        return ESUCCESS;
    }
    *offset = &descriptor->node.offset;
    return whence == 2 ? node_size(descriptor, size) : ESUCCESS;
}

static uint32_t seek(uint32_t fd, uint64_t right, uint64_t by, uint32_t whence, uint32_t result)
{
    struct descriptor *descriptor = descriptor_get(fd);
    uint64_t *offset, size;
    int64_t target;
    if (!descriptor)
        return EBADF;
    if (descriptor->kind != FD_FILE && descriptor->kind != FD_NODE)
        return ESPIPE;
    if (!(descriptor->rights & (right | RIGHT_FD_SEEK))) /* which implies the right to tell */
        return ENOTCAPABLE;
    if (!in_memory(result, 8))
        return EFAULT;
    if (whence > 2)
        return EINVAL;
    uint32_t error = position(descriptor, whence, &offset, &size);
    if (error)
        return error;
    uint64_t base = whence == 0 ? 0 : whence == 1 ? *offset : size;
    if (__builtin_add_overflow((int64_t)base, (int64_t)by, &target) || target < 0)
        return EINVAL;
    *offset = (uint64_t)target;
    memcpy(at(result), &target, sizeof(target));
    return ESUCCESS;
}

uint32_t WASI(fd_seek)(uint32_t fd, uint64_t offset, uint32_t whence, uint32_t result)
{
    return seek(fd, offset == 0 && whence == 1 ? RIGHT_FD_TELL : RIGHT_FD_SEEK, offset, whence, result);
}

uint32_t WASI(fd_tell)(uint32_t fd, uint32_t offset)
{
    return seek(fd, RIGHT_FD_TELL, 0, 1, offset);
}
