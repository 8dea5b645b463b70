/* Descriptors of servers of files (proto/fs.h): sessions, preopened directories, and data by way of the session's
 * window.
 *
 * A server that died is there again soon, without the handles of before. What a program had opened then answers EIO; a
 * preopened directory is opened anew, since who may have it is the system's word, not the server's. What had been
 * changed and not synced may be gone with the server: the next call says EIO, whatever it is, and the next sync too.
 */
#include "imports.h"
#include "proto/fs.h"
#include "proto/service.h"
#include "tessera/text.h"

#define FILE_SESSIONS 8
#define SERVER_DIED   UINT32_MAX /* perhaps it was done; who wants to know looks */

static struct file_session {
    uint32_t endpoint; /* 0: free */
    uint8_t *window;
    bool is_dirty; /* changed something since the last sync */
    bool has_lost; /* and the server died then, which no sync has told yet */
} file_sessions[FILE_SESSIONS];

void preopens_init(void)
{
    uint32_t fd = FIRST_PREOPEN;
    for (uint32_t n = 0; n < start_page->preopens.count && fd < DESCRIPTORS; n++, fd++) {
        struct descriptor *descriptor = descriptor_at(fd);
        descriptor->kind = FD_NODE;
        descriptor->rights = RIGHTS_DIRECTORY; /* until it is opened */
        descriptor->node.inheriting = RIGHTS_DIRECTORY | RIGHTS_FILE;
        descriptor->node.type = FILETYPE_DIRECTORY;
        descriptor->node.preopen = (uint8_t)(n + 1);
    }
}

/* Several preopened directories of one server share a session. */
static uint32_t session_open(uint32_t preopen, uint16_t *session)
{
    struct message m = {0, {preopen}};
    uint32_t error = process_call(PROCESS_FILES_OPEN, &m, 1);
    if (error)
        return error == EBADF ? EBADF : EIO;
    for (*session = 0; *session < FILE_SESSIONS; ++*session) {
        struct file_session *at = &file_sessions[*session];
        if (at->endpoint == 0)
            *at = (struct file_session){.endpoint = (uint32_t)m.words[0], .window = (uint8_t *)m.words[1]};
        if (at->endpoint == m.words[0])
            return ESUCCESS;
    }
    return EMFILE;
}

uint8_t *node_window(const struct descriptor *descriptor)
{
    return file_sessions[descriptor->node.session].window;
}

static uint32_t call(const struct descriptor *descriptor, uint64_t operation, struct message *m)
{
    m->info = message_info(operation, 0, MESSAGE_REGISTERS);
    if (syscall_call(file_sessions[descriptor->node.session].endpoint, m) != ERROR_NONE)
        return SERVER_DIED;
    word status = message_info_label(m->info);
    return status & SERVICE_STATUS_SYSTEM ? SERVER_DIED : (uint32_t)status;
}

static uint32_t root_open(struct descriptor *descriptor)
{
    struct message m;
    uint32_t error = session_open(descriptor->node.preopen - 1u, &descriptor->node.session);
    if (error)
        return error;
    do { /* what lies below a directory with a quota is counted in pieces */
        m = (struct message){0, {descriptor->node.preopen - 1ul}};
        error = call(descriptor, FS_ROOT, &m);
    } while (error == FS_MORE);
    if (error)
        return error == SERVER_DIED ? EIO : error;
    descriptor->node.handle = m.words[0];
    /* Rust's library asks for all rights but these whatever it opens to read, so the server is left to refuse their use
     * (its std/src/sys/wasi/fs.rs, OpenOptions::get_rights_base). */
    if (!(m.words[1] & FS_MAY_WRITE)) {
        descriptor->rights &= RIGHTS_READ_DIRECTORY;
        descriptor->node.inheriting &= ~(uint64_t)RIGHTS_OPEN_TO_WRITE;
    }
    return ESUCCESS;
}

/* True when the handle is one of a server that has died since. */
static bool is_stale(const struct descriptor *descriptor)
{
    struct message m = {0, {descriptor->node.handle}};
    return call(descriptor, FS_STAT, &m) == EBADF;
}

uint32_t node_open_preopened(struct descriptor *descriptor)
{
    return root_open(descriptor);
}

static bool changes(uint64_t operation, const struct message *m)
{
    switch (operation) {
    case FS_OPEN:
        return m->words[2] & (FS_OPEN_CREATE | FS_OPEN_TRUNCATE);
    case FS_CLOSE:
    case FS_READ:
    case FS_STAT:
    case FS_STAT_PATH:
    case FS_SYNC:
    case FS_LIST:
    case FS_READLINK:
        return false;
    default:
        return true;
    }
}

/* True when it took changes with it that no sync had confirmed. */
static bool server_died(struct file_session *session)
{
    bool has_lost = session->is_dirty;
    session->has_lost |= has_lost;
    session->is_dirty = false;
    return has_lost;
}

/* A call on a directory or file; a directory that a dead server had opened is opened anew where nothing was lost. */
static uint32_t call_living(struct descriptor *descriptor, uint64_t operation, struct message *m)
{
    struct message again = *m;
    m->words[0] = descriptor->node.handle;
    uint32_t error = call(descriptor, operation, m);
    if (error == SERVER_DIED)
        (void)server_died(&file_sessions[descriptor->node.session]);
    if (error != EBADF || !is_stale(descriptor))
        return error == SERVER_DIED ? EIO : error;
    bool has_lost = server_died(&file_sessions[descriptor->node.session]);
    if (!descriptor->node.preopen)
        return EIO;
    error = root_open(descriptor);
    if (error || has_lost)
        return EIO;
    *m = again;
    m->words[0] = descriptor->node.handle;
    error = call(descriptor, operation, m);
    return error == SERVER_DIED ? EIO : error;
}

/* What is large is done in pieces. */
static uint32_t call_whole(struct descriptor *descriptor, uint64_t operation, struct message *m)
{
    struct message rest = *m;
    uint32_t error;
    while ((error = call_living(descriptor, operation, m)) == FS_MORE) {
        if (operation == FS_ALLOCATE && m->words[0] > rest.words[2])
            return EIO;
        if (operation == FS_ALLOCATE) {
            rest.words[1] += m->words[0];
            rest.words[2] -= m->words[0];
        }
        *m = rest;
    }
    return error;
}

uint32_t node_call(struct descriptor *descriptor, uint64_t operation, struct message *m)
{
    bool is_change = changes(operation, m);
    uint32_t error = call_whole(descriptor, operation, m);
    struct file_session *session = &file_sessions[descriptor->node.session];
    session->is_dirty |= is_change && error != EIO;
    if (operation == FS_SYNC) {
        error = session->has_lost ? EIO : error;
        session->has_lost = false;
        session->is_dirty &= error != ESUCCESS;
    }
    return error;
}

uint32_t node_get(uint32_t fd, uint64_t right, uint32_t otherwise, struct descriptor **descriptor)
{
    *descriptor = descriptor_get(fd);
    if (!*descriptor)
        return EBADF;
    if ((*descriptor)->kind != FD_NODE)
        return otherwise;
    uint32_t error = node_open(*descriptor);
    if (error)
        return error;
    return ((*descriptor)->rights & right) == right ? ESUCCESS : ENOTCAPABLE;
}

void node_close(const struct descriptor *descriptor)
{
    struct message m = {0, {descriptor->node.handle}};
    if (descriptor->node.handle)
        (void)call(descriptor, FS_CLOSE, &m);
}

uint32_t node_size(struct descriptor *descriptor, uint64_t *bytes)
{
    struct message m = {0};
    struct fs_stat stat;
    uint32_t error = node_call(descriptor, FS_STAT, &m);
    memcpy(&stat, m.words, sizeof(stat));
    *bytes = stat.bytes;
    return error;
}

/* ---- data ---------------------------------------------------------------------------------------------------- */

/* A place in a program's vectors, which it may change while we copy: each is read anew and checked. */
struct cursor {
    uint32_t iovs, count, index, offset;
};

/* Copies between window and vectors; how much went before a vector was wrong. */
static uint32_t move(struct cursor *cursor, uint8_t *window, uint32_t bytes, bool is_read)
{
    uint32_t done = 0;
    while (done < bytes && cursor->index < cursor->count) {
        struct vector vector = vector_at(cursor->iovs, cursor->index);
        if (!in_memory(vector.address, vector.length))
            break;
        uint32_t part = vector.length > cursor->offset ? vector.length - cursor->offset : 0;
        part = part < bytes - done ? part : bytes - done;
        if (is_read)
            memcpy(at(vector.address + cursor->offset), window + done, part);
        else
            memcpy(window + done, at(vector.address + cursor->offset), part);
        done += part;
        cursor->offset += part;
        if (cursor->offset >= vector.length) {
            cursor->index++;
            cursor->offset = 0;
        }
    }
    return done;
}

/* As the flags want it: before reading, or after writing. */
static uint32_t node_sync(struct descriptor *descriptor, uint32_t flags)
{
    struct message m = {0, {0, !(descriptor->flags & (FDFLAG_SYNC | FDFLAG_RSYNC))}};
    return descriptor->flags & flags ? node_call(descriptor, FS_SYNC, &m) : ESUCCESS;
}

uint32_t node_read(struct descriptor *descriptor, uint64_t offset, uint32_t iovs, uint32_t count, uint32_t *done)
{
    struct cursor cursor = {iovs, count, 0, 0};
    uint32_t total, error = vectors_check(iovs, count, &total);
    *done = 0;
    if (!error && descriptor->node.type == FILETYPE_DIRECTORY)
        return EISDIR;
    if (!error)
        error = node_sync(descriptor, FDFLAG_RSYNC);
    while (!error && *done < total) {
        uint32_t part = total - *done < FS_WINDOW_BYTES ? total - *done : FS_WINDOW_BYTES;
        struct message m = {0, {0, offset + *done, part}};
        error = node_call(descriptor, FS_READ, &m);
        if (error || m.words[0] > part)
            return *done ? ESUCCESS : error ? error : EIO;
        *done += move(&cursor, node_window(descriptor), (uint32_t)m.words[0], true);
        if (m.words[0] < part)
            break;
    }
    return error;
}

uint32_t node_write(struct descriptor *descriptor, uint64_t offset, uint32_t iovs, uint32_t count, uint32_t *done,
                    uint64_t *end)
{
    struct cursor cursor = {iovs, count, 0, 0};
    uint32_t total, error = vectors_check(iovs, count, &total);
    *done = 0;
    *end = offset;
    if (!error && descriptor->node.type == FILETYPE_DIRECTORY)
        return EISDIR;
    while (!error && *done < total) {
        uint32_t part = total - *done < FS_WINDOW_BYTES ? total - *done : FS_WINDOW_BYTES;
        part = move(&cursor, node_window(descriptor), part, false);
        struct message m = {0, {0, descriptor->flags & FDFLAG_APPEND ? FS_AT_END : offset + *done, part}};
        error = part ? node_call(descriptor, FS_WRITE, &m) : EFAULT;
        if (error || m.words[0] > part)
            return *done ? ESUCCESS : error ? error : EIO;
        *done += (uint32_t)m.words[0];
        *end = m.words[1];
        if (m.words[0] < part)
            break;
    }
    return error || *done == 0 ? error : node_sync(descriptor, FDFLAG_SYNC | FDFLAG_DSYNC | FDFLAG_RSYNC);
}
