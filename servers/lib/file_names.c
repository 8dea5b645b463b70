/* What is done with names: paths are walked from a directory's handle, within one request. See file_request.h. */
#include "file_request.h"

#include "proto/process.h"
#include "tessera/file_budget.h"
#include "tessera/server.h"
#include "tessera/text.h"

#define LEVELS 4096u /* of directories that what is moved may lie below: twice as many as a path can name */

static char paths[2][FS_PATH_MAX + 1];

/* A path out of the window, copied once: what is looked at cannot change any more. */
static uint32_t path_take(const struct request *request, unsigned which, word offset, word bytes)
{
    if (bytes > FS_PATH_MAX)
        return FS_ENAMETOOLONG;
    memcpy(paths[which], request->window + offset, bytes); /* offset: at most FS_PATH_MAX */
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
    return path_walk(file_backend, directory->file, paths[which], (uint32_t)bytes, last, place);
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

/* ---- roots and opening ------------------------------------------------------------------------------------- */

/* What the description names exists: missing directories of a grant to write are made. */
static uint32_t granted_directory(uint32_t access, const char *path, uint32_t bytes, inode *at)
{
    for (uint32_t first = 0; first < bytes;) {
        uint32_t end = first;
        while (end < bytes && path[end] != '/')
            end++;
        inode next;
        uint32_t error = file_backend->lookup(*at, path + first, end - first, &next);
        if (error == FS_ENOENT && (access & FS_MAY_WRITE))
            error = file_backend->create(*at, path + first, end - first, FS_TYPE_DIRECTORY, NULL, 0, &next);
        if (error)
            return error;
        *at = next;
        first = end + 1;
    }
    struct fs_stat stat;
    uint32_t error = file_backend->stat(*at, &stat);
    return error ? error : stat.type == FS_TYPE_DIRECTORY ? FS_OK : FS_ENOTDIR;
}

uint32_t root_open(const struct request *request)
{
    char path[PROCESS_GRANT_PATH + 8];
    struct message m = {message_info(PROCESS_FILES_GRANT, 0, 2), {session_badge(request->session), request->words[0]}};
    if (syscall_call(PROCESS_CAP_SERVER, &m) != ERROR_NONE || message_info_label(m.info) != 0)
        return FS_EBADF;
    struct handle like = {.mount = (uint32_t)m.words[0], .quota_kib = (uint32_t)(m.words[1] >> 32)};
    uint32_t access = (uint32_t)m.words[1], bytes = (uint32_t)m.words[2];
    message_get(&m, 3, path, bytes);
    inode at;
    uint32_t error = file_backend->root(like.mount, &at);
    if (!error)
        error = granted_directory(access, path, bytes, &at);
    if (!error && like.quota_kib)
        error = budget_open(file_backend, like.mount, at, session_count(request->session), &like.budget);
    if (!error)
        error = handle_open(request->session, at, &like, FS_TYPE_DIRECTORY, access, &request->results[0]);
    request->results[1] = access;
    return error;
}

static uint32_t name_create(const struct handle *handle, const struct place *place, enum fs_type type,
                            const char *target, uint32_t bytes, inode *made)
{
    uint32_t error = name_room(handle, bytes);
    if (!error)
        error = file_backend->create(place->directory, place->name, place->bytes, type, target, bytes, made);
    name_made(handle, bytes, error);
    return error;
}

static uint32_t open_new(const struct request *request, struct place *place, word flags)
{
    if (!(flags & FS_OPEN_CREATE))
        return FS_ENOENT;
    if (!may_write(request->handle))
        return FS_ENOTCAPABLE;
    if (place->has_slash || (flags & FS_OPEN_DIRECTORY))
        return place->has_slash ? FS_EISDIR : FS_EINVAL;
    uint32_t error = handle_room(request->session); /* before anything is made */
    if (error)
        return error;
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

uint32_t file_open(const struct request *request)
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
    if (!error && (flags & FS_OPEN_TRUNCATE)) {
        error = handle_resize(directory, place.file, 0);
        if (error)
            handle_close(request->session, handle_find(request->session, request->results[0]));
    }
    request->results[1] = place.type;
    request->results[2] = access & directory->access;
    return error;
}

/* ---- names ------------------------------------------------------------------------------------------------- */

uint32_t directory_make(const struct request *request)
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

uint32_t directory_remove(const struct request *request)
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
    error = file_backend->remove_directory(place.directory, place.name, place.bytes);
    budget_give(request->handle->budget, error ? 0 : BUDGET_NAME_BYTES);
    return error;
}

uint32_t file_unlink(const struct request *request)
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
    error = file_backend->unlink(place.directory, place.name, place.bytes);
    budget_give(request->handle->budget, error ? 0 : freed + BUDGET_NAME_BYTES);
    return error;
}

uint32_t link_make(const struct request *request)
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

uint32_t link_read(const struct request *request)
{
    struct place place;
    uint32_t bytes = 0, error = walk(request, PATH_ITSELF, &place);
    if (error || !place.file)
        return error ? error : FS_ENOENT;
    if (place.type != FS_TYPE_LINK)
        return FS_EINVAL;
    error = file_backend->readlink(place.file, paths[0], FS_PATH_MAX, &bytes);
    memcpy(request->window, paths[0], bytes);
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

uint32_t file_link(const struct request *request)
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
    error = name_room(request->handle, 0);
    if (!error)
        error = file_backend->link(from.file, to.directory, to.name, to.bytes);
    name_made(request->handle, 0, error);
    return error;
}

/* True when `directory` is `above` or lies below it, or too deep to find out: nobody waits for a million directories
 * that one client made, or for those of a damaged disk, which may run in a circle. */
static bool lies_below(inode directory, inode above)
{
    inode parent = directory;
    for (uint32_t level = 0; level < LEVELS; level++, directory = parent) {
        if (directory == above)
            return true;
        if (file_backend->parent(directory, &parent) || parent == directory)
            return false;
    }
    return true;
}

uint32_t file_rename(const struct request *request)
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
    error = file_backend->rename(from.directory, from.name, from.bytes, to.directory, to.name, to.bytes);
    budget_give(request->handle->budget, error ? 0 : freed);
    return error;
}

uint32_t path_stat(const struct request *request)
{
    struct place place;
    uint32_t error = walk(request, last_of(request->words[2]), &place);
    if (error || !place.file)
        return error ? error : FS_ENOENT;
    return file_stat_put(request, place.file, request->handle->mount);
}

uint32_t path_times(const struct request *request)
{
    struct place place;
    uint32_t error = walk(request, last_of(request->words[2]), &place);
    if (error || !place.file)
        return error ? error : FS_ENOENT;
    return may_write(request->handle) ? file_times(place.file, request->words[3], request->words[4], request->words[5])
                                      : FS_ENOTCAPABLE;
}
