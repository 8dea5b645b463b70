/* See tessera/file_server.h. One request at a time, each from decoding to answer. */
#include "tessera/file_server.h"

#include "proto/process.h"
#include "tessera/clock.h"
#include "tessera/file_budget.h"
#include "tessera/heap.h"
#include "tessera/path.h"
#include "tessera/server.h"
#include "tessera/text.h"

#define SESSIONS      64
#define PAGE_HANDLES  (HEAP_PAGE_BYTES / sizeof(struct handle))
#define HANDLE_PAGES  128
#define SLOT_BITS     16
#define COOKIE_DOT    0
#define COOKIE_PARENT 1
#define LEVELS        (1u << 20) /* of directories: more are none */

/* w0 of a request names it by `number`: its slot, and above that a serial that never comes again, so that neither a
 * closed handle nor one of a server before this one is taken for another. */
struct handle {
    inode file;
    uint64_t number; /* 0: free */
    uint32_t mount;
    uint16_t access; /* enum fs_access */
    uint16_t type;   /* enum fs_type */
    uint32_t budget; /* of the granted directory that it comes from (tessera/file_budget.h), 0: none */
    union {
        uint32_t quota_kib; /* its limit */
        uint32_t next_free;
    };
};
_Static_assert(HANDLE_PAGES *PAGE_HANDLES <= 1u << SLOT_BITS, "a slot fits a number");

struct session {
    uint64_t badge; /* 0: free */
    uint8_t *window;
    uint32_t slots, free_slot; /* slots ever used; the first of the free ones + 1 */
    struct handle *pages[HANDLE_PAGES];
};

static struct session sessions[SESSIONS];
static const struct file_backend *backend;
static const struct start_page *page;
static uint64_t next_serial;
static char paths[2][FS_PATH_MAX + 1];

uint64_t file_server_now_ns(void)
{
    return page->realtime_ns ? clock_ns(clock_ticks(), page->timer_multiplier, page->timer_shift) + page->realtime_ns
                             : 0;
}

/* ---- handles ------------------------------------------------------------------------------------------------- */

static struct handle *handle_at(const struct session *session, uint32_t slot)
{
    return &session->pages[slot / PAGE_HANDLES][slot % PAGE_HANDLES];
}

static struct handle *handle_find(const struct session *session, uint64_t number)
{
    uint32_t slot = number & ((1u << SLOT_BITS) - 1);
    if (number == 0 || slot >= session->slots)
        return NULL;
    struct handle *handle = handle_at(session, slot);
    return handle->number == number ? handle : NULL;
}

static uint32_t slot_take(struct session *session, uint32_t *slot)
{
    if (session->free_slot) {
        *slot = session->free_slot - 1;
        session->free_slot = handle_at(session, *slot)->next_free;
        return FS_OK;
    }
    if (session->slots == HANDLE_PAGES * PAGE_HANDLES)
        return FS_EMFILE;
    struct handle **pages = &session->pages[session->slots / PAGE_HANDLES];
    if (!*pages && !(*pages = heap_page_take()))
        return FS_ENFILE;
    *slot = session->slots++;
    return FS_OK;
}

static void slot_return(struct session *session, uint32_t slot)
{
    struct handle *handle = handle_at(session, slot);
    *handle = (struct handle){.next_free = session->free_slot};
    session->free_slot = slot + 1;
}

/* Opens the file for the session. */
static uint32_t handle_open(struct session *session, inode file, const struct handle *like, uint32_t type,
                            uint32_t access, uint64_t *number)
{
    uint32_t slot, error = slot_take(session, &slot);
    if (error)
        return error;
    error = backend->open(file);
    if (error) {
        slot_return(session, slot);
        return error;
    }
    *number = ++next_serial << SLOT_BITS | slot;
    *handle_at(session, slot) = (struct handle){.file = file,
                                                .number = *number,
                                                .mount = like->mount,
                                                .access = (uint16_t)access,
                                                .type = (uint16_t)type,
                                                .budget = like->budget,
                                                .quota_kib = like->quota_kib};
    budget_hold(like->budget);
    return FS_OK;
}

/* ---- what a granted directory may hold ----------------------------------------------------------------------- */

static uint64_t room_of(const struct handle *handle)
{
    return budget_left(handle->budget, (uint64_t)handle->quota_kib << 10);
}

static uint64_t size_of(inode file)
{
    struct fs_stat stat = {0};
    return backend->stat(file, &stat) ? 0 : stat.bytes;
}

static void size_changed(const struct handle *handle, uint64_t before, uint64_t after)
{
    if (after > before)
        budget_add(handle->budget, after - before);
    else
        budget_give(handle->budget, before - after);
}

static uint32_t name_room(const struct handle *handle)
{
    return room_of(handle) < BUDGET_NAME_BYTES ? FS_ENOSPC : FS_OK;
}

static uint32_t name_made(const struct handle *handle, uint32_t error)
{
    budget_add(handle->budget, error ? 0 : BUDGET_NAME_BYTES);
    return error;
}

static bool is_open(inode file, const struct handle *except)
{
    for (uint32_t i = 0; i < SESSIONS; i++)
        for (uint32_t slot = 0; sessions[i].badge && slot < sessions[i].slots; slot++) {
            const struct handle *handle = handle_at(&sessions[i], slot);
            if (handle->number && handle->file == file && handle != except)
                return true;
        }
    return false;
}

/* What goes when a file loses one of `links` names: nothing while somebody has it open. */
static uint64_t bytes_freed(const struct handle *handle, inode file, uint64_t links)
{
    struct fs_stat stat = {0};
    if (!handle->budget || !file || backend->stat(file, &stat) || stat.type != FS_TYPE_FILE || stat.links != links)
        return 0;
    return is_open(file, links ? NULL : handle) ? 0 : stat.bytes;
}

static void handle_close(struct session *session, struct handle *handle)
{
    uint32_t slot = handle->number & ((1u << SLOT_BITS) - 1);
    budget_give(handle->budget, bytes_freed(handle, handle->file, 0));
    budget_drop(handle->budget);
    backend->close(handle->file);
    slot_return(session, slot);
}

/* ---- sessions ------------------------------------------------------------------------------------------------ */

/* Where we see the client's window; also how we learn that a client is gone. */
static bool window_find(uint64_t badge, uint8_t **window)
{
    struct message m = {message_info(PROCESS_SERVICE_WINDOW, 0, 1), {badge}};
    if (syscall_call(PROCESS_CAP_SERVER, &m) != ERROR_NONE || message_info_label(m.info) != 0)
        return false;
    *window = (uint8_t *)m.words[0];
    return true;
}

static struct session *session_get(uint64_t badge)
{
    struct session *unused = NULL;
    for (uint32_t i = 0; i < SESSIONS; i++) {
        if (sessions[i].badge == badge)
            return &sessions[i];
        if (!sessions[i].badge && !unused)
            unused = &sessions[i];
    }
    uint8_t *window;
    if (!unused || !window_find(badge, &window))
        return NULL;
    *unused = (struct session){.badge = badge, .window = window};
    return unused;
}

static void session_close(struct session *session)
{
    for (uint32_t slot = 0; slot < session->slots; slot++)
        if (handle_at(session, slot)->number)
            handle_close(session, handle_at(session, slot));
    for (uint32_t i = 0; i < HANDLE_PAGES; i++)
        if (session->pages[i])
            heap_page_return(session->pages[i]);
    session->badge = 0;
}

/* The process server has news: somebody died. */
static void sessions_check(void)
{
    uint8_t *window;
    for (uint32_t i = 0; i < SESSIONS; i++)
        if (sessions[i].badge && !window_find(sessions[i].badge, &window))
            session_close(&sessions[i]);
}

/* ---- requests ------------------------------------------------------------------------------------------------ */

struct request {
    struct session *session;
    struct handle *handle;
    const word *words;
    word *results;
};

/* A path out of the window, copied once: what is looked at cannot change any more. */
static uint32_t path_take(const struct request *request, unsigned which, word offset, word bytes)
{
    if (bytes > FS_PATH_MAX)
        return FS_ENAMETOOLONG;
    memcpy(paths[which], request->session->window + offset, bytes); /* offset: at most FS_PATH_MAX */
    return path_check(paths[which], (uint32_t)bytes);
}

static uint32_t walk_from(const struct request *request, const struct handle *directory, unsigned which, word offset,
                          word bytes, enum path_last last, struct place *place)
{
    uint32_t error = path_take(request, which, offset, bytes);
    if (error)
        return error;
    if (directory->type != FS_TYPE_DIRECTORY)
        return FS_ENOTDIR;
    return path_walk(backend, directory->file, paths[which], (uint32_t)bytes, last, place);
}

/* The request's own path: w1. */
static uint32_t walk(const struct request *request, enum path_last last, struct place *place)
{
    return walk_from(request, request->handle, 0, 0, request->words[1], last, place);
}

static enum path_last last_of(word flags)
{
    return flags & FS_OPEN_FOLLOW ? PATH_FOLLOW : PATH_ITSELF;
}

static bool may_write(const struct handle *handle)
{
    return handle->access & FS_MAY_WRITE;
}

static uint32_t stat_put(const struct request *request, inode file, uint32_t mount)
{
    struct fs_stat stat = {0};
    uint32_t error = backend->stat(file, &stat);
    stat.device = mount + 1ul;
    memcpy(request->results, &stat, sizeof(stat));
    return error;
}

/* ---- roots and opening ---- */

/* What the description names exists: missing directories of a grant to write are made. */
static uint32_t granted_directory(uint32_t access, const char *path, uint32_t bytes, inode *at)
{
    for (uint32_t first = 0; first < bytes;) {
        uint32_t end = first;
        while (end < bytes && path[end] != '/')
            end++;
        inode next;
        uint32_t error = backend->lookup(*at, path + first, end - first, &next);
        if (error == FS_ENOENT && (access & FS_MAY_WRITE))
            error = backend->create(*at, path + first, end - first, FS_TYPE_DIRECTORY, NULL, 0, &next);
        if (error)
            return error;
        *at = next;
        first = end + 1;
    }
    struct fs_stat stat;
    uint32_t error = backend->stat(*at, &stat);
    return error ? error : stat.type == FS_TYPE_DIRECTORY ? FS_OK : FS_ENOTDIR;
}

static uint32_t root_open(const struct request *request)
{
    char path[PROCESS_GRANT_PATH + 8];
    struct message m = {message_info(PROCESS_FILES_GRANT, 0, 2), {request->session->badge, request->words[0]}};
    if (syscall_call(PROCESS_CAP_SERVER, &m) != ERROR_NONE || message_info_label(m.info) != 0)
        return FS_EBADF;
    struct handle like = {.mount = (uint32_t)m.words[0], .quota_kib = (uint32_t)(m.words[1] >> 32)};
    uint32_t access = (uint32_t)m.words[1], bytes = (uint32_t)m.words[2];
    message_get(&m, 3, path, bytes);
    inode at;
    uint32_t error = backend->root(like.mount, &at);
    if (!error)
        error = granted_directory(access, path, bytes, &at);
    if (!error && like.quota_kib)
        error = budget_open(backend, like.mount, at, &like.budget);
    if (!error)
        error = handle_open(request->session, at, &like, FS_TYPE_DIRECTORY, access, &request->results[0]);
    request->results[1] = access;
    return error;
}

static uint32_t name_create(const struct handle *handle, const struct place *place, enum fs_type type,
                            const char *target, uint32_t bytes, inode *made)
{
    uint32_t error = name_room(handle);
    if (!error)
        error = backend->create(place->directory, place->name, place->bytes, type, target, bytes, made);
    return name_made(handle, error);
}

static uint32_t open_new(const struct request *request, struct place *place, word flags)
{
    if (!(flags & FS_OPEN_CREATE))
        return FS_ENOENT;
    if (!may_write(request->handle))
        return FS_ENOTCAPABLE;
    if (place->has_slash || (flags & FS_OPEN_DIRECTORY))
        return place->has_slash ? FS_EISDIR : FS_EINVAL;
    place->type = FS_TYPE_FILE;
    return name_create(request->handle, place, FS_TYPE_FILE, NULL, 0, &place->file);
}

static uint32_t open_check(const struct place *place, word flags)
{
    if ((flags & FS_OPEN_CREATE) && (flags & FS_OPEN_EXCLUSIVE))
        return place->has_slash ? FS_EISDIR : FS_EEXIST;
    if (place->type == FS_TYPE_LINK)
        return FS_ELOOP;
    if ((flags & FS_OPEN_DIRECTORY) && place->type != FS_TYPE_DIRECTORY)
        return FS_ENOTDIR;
    bool changes = flags & (FS_OPEN_WRITE | FS_OPEN_TRUNCATE);
    /* Of a directory, writing is what its paths may do. */
    if (place->type == FS_TYPE_DIRECTORY && (flags & (FS_OPEN_TRUNCATE | FS_OPEN_CREATE)))
        return FS_EISDIR;
    return changes && place->type == FS_TYPE_DIRECTORY && !(flags & FS_OPEN_DIRECTORY) ? FS_EISDIR : FS_OK;
}

/* `handle` says whose budget it is. */
static uint32_t handle_resize(const struct handle *handle, inode file, uint64_t bytes)
{
    if (!handle->budget)
        return backend->resize(file, bytes);
    uint64_t before = size_of(file);
    if (bytes > before && bytes - before > room_of(handle))
        return FS_ENOSPC;
    uint32_t error = backend->resize(file, bytes);
    size_changed(handle, before, error ? size_of(file) : bytes);
    return error;
}

static uint32_t handle_allocate(const struct handle *handle, uint64_t offset, uint64_t bytes)
{
    uint64_t before = handle->budget ? size_of(handle->file) : 0, end;
    if (handle->budget && !__builtin_add_overflow(offset, bytes, &end) && end > before &&
        end - before > room_of(handle))
        return FS_ENOSPC;
    uint32_t error = backend->allocate(handle->file, offset, bytes);
    if (handle->budget)
        size_changed(handle, before, size_of(handle->file));
    return error;
}

static uint32_t file_open(const struct request *request)
{
    struct place place;
    word flags = request->words[2];
    const struct handle *directory = request->handle;
    if (flags & ~(word)FS_OPEN_ALL)
        return FS_EINVAL;
    bool is_exclusive = (flags & FS_OPEN_CREATE) && (flags & FS_OPEN_EXCLUSIVE);
    uint32_t error = walk(request, is_exclusive ? PATH_ITSELF : last_of(flags), &place);
    if (!error && (flags & (FS_OPEN_WRITE | FS_OPEN_TRUNCATE)) && !may_write(directory))
        error = FS_ENOTCAPABLE;
    if (!error)
        error = place.file ? open_check(&place, flags) : open_new(request, &place, flags);
    if (error)
        return error;
    uint32_t access = (flags & FS_OPEN_READ ? FS_MAY_READ : 0) | (flags & FS_OPEN_WRITE ? FS_MAY_WRITE : 0);
    if (place.type == FS_TYPE_DIRECTORY)
        access = directory->access;
    error = handle_open(request->session, place.file, directory, place.type, access & directory->access,
                        &request->results[0]);
    if (!error && (flags & FS_OPEN_TRUNCATE))
        error = handle_resize(directory, place.file, 0);
    request->results[1] = place.type;
    request->results[2] = access & directory->access;
    return error;
}

/* ---- what is done with an open file ---- */

static uint32_t file_check(const struct request *request, uint32_t access)
{
    if (request->handle->type == FS_TYPE_DIRECTORY)
        return FS_EISDIR;
    return request->handle->access & access ? FS_OK : FS_EBADF;
}

static uint32_t file_read(const struct request *request)
{
    uint32_t done = 0, error = file_check(request, FS_MAY_READ);
    word bytes = request->words[2] < FS_WINDOW_BYTES ? request->words[2] : FS_WINDOW_BYTES;
    if (!error)
        error =
            backend->read(request->handle->file, request->words[1], request->session->window, (uint32_t)bytes, &done);
    request->results[0] = done;
    return error;
}

/* *bytes: what the budget has room for. */
static uint32_t write_room(const struct handle *handle, uint64_t size, uint64_t offset, word *bytes)
{
    uint64_t room = room_of(handle), end;
    offset = offset == FS_AT_END ? size : offset;
    if (!handle->budget || __builtin_add_overflow(offset, *bytes, &end) || end <= size || end - size <= room)
        return FS_OK;
    if (offset >= size + room)
        return FS_ENOSPC;
    *bytes = size + room - offset;
    return FS_OK;
}

static uint32_t file_write(const struct request *request)
{
    const struct handle *handle = request->handle;
    uint32_t done = 0, error = file_check(request, FS_MAY_WRITE);
    word bytes = request->words[2];
    if (!error && bytes > FS_WINDOW_BYTES)
        error = FS_EINVAL;
    uint64_t before = !error && handle->budget ? size_of(handle->file) : 0;
    if (!error)
        error = write_room(handle, before, request->words[1], &bytes);
    if (!error)
        error = backend->write(handle->file, request->words[1], request->session->window, (uint32_t)bytes, &done,
                               &request->results[1]);
    if (done > 0 && request->results[1] > before)
        budget_add(handle->budget, request->results[1] - before);
    request->results[0] = done;
    return error;
}

static uint32_t file_times(inode file, uint64_t accessed, uint64_t modified, word which)
{
    if (which >= 16 || (which & 3) == 3 || (which & 12) == 12)
        return FS_EINVAL;
    if (which & FS_TIME_ACCESSED_NOW)
        accessed = file_server_now_ns();
    if (which & FS_TIME_MODIFIED_NOW)
        modified = file_server_now_ns();
    uint32_t set = (which & 3 ? FS_TIME_ACCESSED : 0) | (which & 12 ? FS_TIME_MODIFIED : 0);
    return backend->times(file, accessed, modified, set);
}

/* ---- directories ---- */

static uint32_t entry_find(const struct handle *directory, uint64_t cookie, struct file_entry *entry)
{
    if (cookie > COOKIE_PARENT)
        return backend->list(directory->file, cookie, entry);
    struct fs_stat stat = {0};
    inode parent = directory->file;
    uint32_t error = cookie == COOKIE_DOT ? FS_OK : backend->parent(directory->file, &parent);
    if (!error)
        error = backend->stat(parent, &stat);
    *entry = (struct file_entry){cookie + 1, stat.inode, FS_TYPE_DIRECTORY, 1 + (uint32_t)cookie, ".."};
    return error;
}

static uint32_t directory_list(const struct request *request)
{
    static struct file_entry entry;
    uint32_t used = 0, error = FS_OK;
    uint64_t cookie = request->words[1];
    word size = request->words[2] < FS_WINDOW_BYTES ? request->words[2] : FS_WINDOW_BYTES;
    if (request->handle->type != FS_TYPE_DIRECTORY)
        return FS_ENOTDIR;
    while ((error = entry_find(request->handle, cookie, &entry)) == FS_OK) {
        struct fs_entry head = {entry.next, entry.inode, entry.name_bytes, entry.type};
        if (sizeof(head) + entry.name_bytes > size - used)
            break;
        memcpy(request->session->window + used, &head, sizeof(head));
        memcpy(request->session->window + used + sizeof(head), entry.name, entry.name_bytes);
        used += (uint32_t)sizeof(head) + entry.name_bytes;
        cookie = entry.next;
    }
    request->results[0] = used;
    request->results[1] = error == FS_ENOENT;
    if (error == FS_ENOENT)
        return FS_OK;
    return error ? error : used ? FS_OK : FS_EINVAL;
}

static uint32_t directory_make(const struct request *request)
{
    struct place place;
    inode made;
    uint32_t error = walk(request, PATH_NAME, &place);
    if (error)
        return error;
    if (place.file)
        return FS_EEXIST;
    return may_write(request->handle) ? name_create(request->handle, &place, FS_TYPE_DIRECTORY, NULL, 0, &made)
                                      : FS_ENOTCAPABLE;
}

static uint32_t directory_remove(const struct request *request)
{
    struct place place;
    uint32_t error = walk(request, PATH_NAME, &place);
    if (error || !place.file)
        return error ? error : FS_ENOENT;
    if (place.is_self)
        return place.is_above ? FS_ENOTEMPTY : FS_EINVAL;
    if (place.type != FS_TYPE_DIRECTORY)
        return FS_ENOTDIR;
    if (!may_write(request->handle))
        return FS_ENOTCAPABLE;
    error = backend->remove_directory(place.directory, place.name, place.bytes);
    budget_give(request->handle->budget, error ? 0 : BUDGET_NAME_BYTES);
    return error;
}

static uint32_t file_unlink(const struct request *request)
{
    struct place place;
    uint32_t error = walk(request, PATH_NAME, &place);
    if (error || !place.file)
        return error ? error : FS_ENOENT;
    if (place.type == FS_TYPE_DIRECTORY)
        return FS_EISDIR;
    if (place.has_slash)
        return FS_ENOTDIR;
    if (!may_write(request->handle))
        return FS_ENOTCAPABLE;
    uint64_t freed = bytes_freed(request->handle, place.file, 1);
    error = backend->unlink(place.directory, place.name, place.bytes);
    budget_give(request->handle->budget, error ? 0 : freed + BUDGET_NAME_BYTES);
    return error;
}

static uint32_t link_make(const struct request *request)
{
    struct place place;
    inode made;
    word bytes = request->words[1], target = request->words[2];
    uint32_t error = bytes > FS_PATH_MAX ? FS_ENAMETOOLONG : path_take(request, 1, bytes, target);
    if (!error)
        error = walk(request, PATH_NAME, &place);
    if (error)
        return error;
    if (place.file)
        return FS_EEXIST;
    if (target == 0 || place.has_slash)
        return FS_ENOENT;
    if (paths[1][0] == '/')
        return FS_ENOTCAPABLE; /* nobody here could follow it, and the host, where files go back, should not */
    return may_write(request->handle)
               ? name_create(request->handle, &place, FS_TYPE_LINK, paths[1], (uint32_t)target, &made)
               : FS_ENOTCAPABLE;
}

static uint32_t link_read(const struct request *request)
{
    struct place place;
    uint32_t bytes = 0, error = walk(request, PATH_ITSELF, &place);
    if (error || !place.file)
        return error ? error : FS_ENOENT;
    if (place.type != FS_TYPE_LINK)
        return FS_EINVAL;
    error = backend->readlink(place.file, paths[0], FS_PATH_MAX, &bytes);
    memcpy(request->session->window, paths[0], bytes);
    request->results[0] = bytes;
    return error;
}

/* Both places of a call with two paths. */
static uint32_t walk_two(const struct request *request, enum path_last last, struct place *from, struct place *to)
{
    const struct handle *other = handle_find(request->session, request->words[2]);
    if (!other)
        return FS_EBADF;
    uint32_t error = walk(request, last, from);
    if (!error)
        error = walk_from(request, other, 1, request->words[1], request->words[3], PATH_NAME, to);
    if (error)
        return error;
    if (!from->file)
        return FS_ENOENT;
    if (!may_write(request->handle) || !may_write(other))
        return FS_ENOTCAPABLE;
    return request->handle->mount == other->mount && request->handle->budget == other->budget ? FS_OK : FS_EXDEV;
}

static uint32_t file_link(const struct request *request)
{
    static struct place from, to;
    uint32_t error = walk_two(request, last_of(request->words[4]), &from, &to);
    if (error)
        return error;
    if (to.file)
        return FS_EEXIST;
    if (from.type == FS_TYPE_DIRECTORY)
        return FS_EPERM;
    if (to.has_slash)
        return FS_ENOENT;
    error = name_room(request->handle);
    return name_made(request->handle, error ? error : backend->link(from.file, to.directory, to.name, to.bytes));
}

/* True when `directory` is `above` or lies below it; a damaged disk may have directories in a circle. */
static bool lies_below(inode directory, inode above)
{
    inode parent = directory;
    for (uint32_t level = 0; level < LEVELS; level++, directory = parent) {
        if (directory == above)
            return true;
        if (backend->parent(directory, &parent) || parent == directory)
            return false;
    }
    return true;
}

static uint32_t file_rename(const struct request *request)
{
    static struct place from, to;
    uint32_t error = walk_two(request, PATH_NAME, &from, &to);
    if (error)
        return error;
    bool is_directory = from.type == FS_TYPE_DIRECTORY;
    if (from.is_self || to.is_self)
        return FS_EINVAL;
    if (is_directory && lies_below(to.directory, from.file))
        return FS_EINVAL;
    if (!is_directory && (from.has_slash || to.has_slash))
        return FS_ENOTDIR;
    if (to.file && is_directory && to.type != FS_TYPE_DIRECTORY)
        return FS_ENOTDIR;
    if (to.file && !is_directory && to.type == FS_TYPE_DIRECTORY)
        return FS_EISDIR;
    if (to.file == from.file)
        return FS_OK; /* two names of one file: POSIX wants nothing to happen */
    uint64_t freed = to.file ? bytes_freed(request->handle, to.file, 1) + BUDGET_NAME_BYTES : 0;
    error = backend->rename(from.directory, from.name, from.bytes, to.directory, to.name, to.bytes);
    budget_give(request->handle->budget, error ? 0 : freed);
    return error;
}

static uint32_t path_stat(const struct request *request)
{
    struct place place;
    uint32_t error = walk(request, last_of(request->words[2]), &place);
    if (error || !place.file)
        return error ? error : FS_ENOENT;
    return stat_put(request, place.file, request->handle->mount);
}

static uint32_t path_times(const struct request *request)
{
    struct place place;
    uint32_t error = walk(request, last_of(request->words[2]), &place);
    if (error || !place.file)
        return error ? error : FS_ENOENT;
    return may_write(request->handle) ? file_times(place.file, request->words[3], request->words[4], request->words[5])
                                      : FS_ENOTCAPABLE;
}

/* ---- dispatch ------------------------------------------------------------------------------------------------ */

static uint32_t changed_size(const struct request *request, uint64_t bytes, bool is_allocate)
{
    uint32_t error = file_check(request, FS_MAY_WRITE);
    if (error)
        return error == FS_EBADF ? FS_EINVAL : error;
    return is_allocate ? handle_allocate(request->handle, request->words[1], bytes)
                       : handle_resize(request->handle, request->handle->file, bytes);
}

static uint32_t handle_request(const struct request *request, word operation)
{
    const word *words = request->words;
    struct handle *handle = request->handle;
    switch (operation) {
    case FS_OPEN:
        return file_open(request);
    case FS_CLOSE:
        handle_close(request->session, handle);
        return FS_OK;
    case FS_READ:
        return file_read(request);
    case FS_WRITE:
        return file_write(request);
    case FS_STAT:
        return stat_put(request, handle->file, handle->mount);
    case FS_STAT_PATH:
        return path_stat(request);
    case FS_RESIZE:
        return changed_size(request, words[1], false);
    case FS_ALLOCATE:
        return changed_size(request, words[2], true);
    case FS_TIMES:
        return handle->access & FS_MAY_WRITE ? file_times(handle->file, words[1], words[2], words[3]) : FS_ENOTCAPABLE;
    case FS_TIMES_PATH:
        return path_times(request);
    case FS_SYNC:
        return backend->sync(handle->file, words[1] == 1);
    case FS_LIST:
        return directory_list(request);
    case FS_MAKE_DIRECTORY:
        return directory_make(request);
    case FS_REMOVE_DIRECTORY:
        return directory_remove(request);
    case FS_UNLINK:
        return file_unlink(request);
    case FS_RENAME:
        return file_rename(request);
    case FS_LINK:
        return file_link(request);
    case FS_SYMLINK:
        return link_make(request);
    case FS_READLINK:
        return link_read(request);
    default:
        return FS_ENOSYS;
    }
}

static void answer(struct message *m, word badge)
{
    word results[MESSAGE_REGISTERS] = {0};
    struct request request = {.session = session_get(badge), .words = m->words, .results = results};
    word operation = message_info_label(m->info);
    uint32_t error = FS_ENFILE;
    if (request.session) {
        request.handle = handle_find(request.session, m->words[0]);
        error = operation == FS_ROOT ? root_open(&request)
                : request.handle     ? handle_request(&request, operation)
                                     : FS_EBADF;
    }
    m->info = message_info(error, 0, MESSAGE_REGISTERS);
    memcpy(m->words, results, sizeof(results));
}

/* Endpoint and reply object. */
static void service_begin(const char *service, word caps[2])
{
    size_t length = text_length(service);
    struct message m = {message_info(PROCESS_SERVICE_LISTEN, 0, PROCESS_NAME_WORDS + 1), {length}};
    message_put(&m, 1, service, length);
    server_buffer()->words[PROCESS_NAME_WORDS] = FS_WINDOW_BYTES;
    if (syscall_call(PROCESS_CAP_SERVER, &m) != ERROR_NONE || message_info_label(m.info) != 0) {
        log_text("%s: the service cannot be offered: error %lu\n", service, message_info_label(m.info));
        program_exit(1);
    }
    caps[0] = m.words[0];
    caps[1] = m.words[1];
}

_Noreturn void file_server_run(const struct start_page *start, const char *service,
                               const struct file_backend *operations, void (*on_signal)(uint64_t bits))
{
    word caps[2], badge;
    struct message m;
    backend = operations;
    page = start;
    next_serial = start->start_ticks << 8 & ((1ul << 44) - 1);
    service_begin(service, caps);
    (void)syscall_recv((cptr)caps[0], (cptr)caps[1], &m, &badge);
    for (;;) {
        if (badge >> PROCESS_SIGNAL_SESSIONS) { /* no client's badge is so large: the notification's bits */
            if (badge & PROCESS_SIGNAL_EVENT)
                sessions_check();
            if (on_signal && (badge & ~PROCESS_SIGNAL_EVENT))
                on_signal(badge & ~PROCESS_SIGNAL_EVENT);
            (void)syscall_recv((cptr)caps[0], (cptr)caps[1], &m, &badge);
            continue;
        }
        answer(&m, badge);
        (void)syscall_reply_recv((cptr)caps[0], (cptr)caps[1], &m, &badge);
    }
}
