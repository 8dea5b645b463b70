/* Paths and directories: each call is one call of the server that has the directory, which alone resolves paths. */
#include "imports.h"
#include "proto/fs.h"
#include "tessera/text.h"

#define LOOKUP_FOLLOW 1u
enum { OPEN_CREATE = 1, OPEN_DIRECTORY = 2, OPEN_EXCLUSIVE = 4, OPEN_TRUNCATE = 8, OPEN_ALL = 15 };

static uint32_t follow_of(uint32_t flags)
{
    return flags & LOOKUP_FOLLOW ? FS_OPEN_FOLLOW : 0;
}

/* The directory that a path begins at. E: EBADF, ENOTDIR, ENOTCAPABLE. */
static uint32_t directory_get(uint32_t fd, uint64_t right, struct descriptor **directory)
{
    uint32_t error = node_get(fd, 0, ENOTDIR, directory);
    if (error)
        return error;
    if ((*directory)->node.type != FILETYPE_DIRECTORY)
        return ENOTDIR;
    return ((*directory)->rights & right) == right ? ESUCCESS : ENOTCAPABLE;
}

static uint32_t path_put(const struct descriptor *directory, uint32_t offset, uint32_t path, uint32_t length)
{
    if (!in_memory(path, length))
        return EFAULT;
    if (length > FS_PATH_MAX)
        return ENAMETOOLONG;
    memcpy(node_window(directory) + offset, at(path), length);
    return ESUCCESS;
}

/* One path: checked, put into the window, and the call made; m.words from w2 on are the caller's. */
static uint32_t path_call(uint32_t fd, uint64_t right, uint32_t path, uint32_t length, uint64_t operation,
                          struct message *m)
{
    struct descriptor *directory;
    uint32_t error = directory_get(fd, right, &directory);
    if (error || (error = path_put(directory, 0, path, length)))
        return error;
    m->words[1] = length;
    return node_call(directory, operation, m);
}

/* Two paths, in directories of one server. */
static uint32_t two_paths_call(uint32_t from, uint64_t right, uint32_t path, uint32_t length, uint32_t to,
                               uint64_t to_right, uint32_t to_path, uint32_t to_length, uint64_t operation,
                               struct message *m)
{
    struct descriptor *source, *target;
    uint32_t error = directory_get(from, right, &source);
    if (error || (error = directory_get(to, to_right, &target)))
        return error;
    if (source->node.session != target->node.session)
        return EXDEV;
    if ((error = path_put(source, 0, path, length)) || (error = path_put(source, length, to_path, to_length)))
        return error;
    m->words[1] = length;
    m->words[2] = target->node.handle;
    m->words[3] = to_length;
    return node_call(source, operation, m);
}

/* ---- preopened directories ----------------------------------------------------------------------------------- */

/* Its path, or NULL. */
static const char *preopen_path(uint32_t fd)
{
    const struct descriptor *descriptor = descriptor_get(fd);
    if (!descriptor || descriptor->kind != FD_NODE || !descriptor->node.preopen)
        return NULL;
    const char *path = (const char *)start_page + start_page->preopens.offset;
    for (uint32_t n = 1; n < descriptor->node.preopen; n++)
        path += text_length(path) + 1;
    return path;
}

uint32_t WASI(fd_prestat_get)(uint32_t fd, uint32_t prestat)
{
    const char *path = preopen_path(fd);
    if (!path)
        return EBADF; /* also for open descriptors: wasi-libc takes it as the end of the preopened ones */
    if (!in_memory(prestat, 8))
        return EFAULT;
    uint32_t out[2] = {0, (uint32_t)text_length(path)};
    memcpy(at(prestat), out, sizeof(out));
    return ESUCCESS;
}

uint32_t WASI(fd_prestat_dir_name)(uint32_t fd, uint32_t buffer, uint32_t size)
{
    const char *path = preopen_path(fd);
    if (!path)
        return descriptor_get(fd) ? ENOTDIR : EBADF;
    if (text_length(path) > size)
        return ENAMETOOLONG;
    if (!in_memory(buffer, size))
        return EFAULT;
    memcpy(at(buffer), path, text_length(path));
    return ESUCCESS;
}

/* ---- opening ------------------------------------------------------------------------------------------------- */

static uint32_t open_flags(uint32_t look, uint32_t open, uint64_t base)
{
    return follow_of(look) | (open & OPEN_CREATE ? FS_OPEN_CREATE : 0) |
           (open & OPEN_DIRECTORY ? FS_OPEN_DIRECTORY : 0) | (open & OPEN_EXCLUSIVE ? FS_OPEN_EXCLUSIVE : 0) |
           (open & OPEN_TRUNCATE ? FS_OPEN_TRUNCATE : 0) | (base & RIGHT_FD_READ ? FS_OPEN_READ : 0) |
           (base & RIGHTS_OPEN_TO_WRITE ? FS_OPEN_WRITE : 0);
}

/* What it takes to open with such flags: witx, rights fd_datasync and fd_sync. */
static uint64_t rights_of_flags(uint32_t flags)
{
    return (flags & FDFLAG_DSYNC ? RIGHT_FD_DATASYNC : 0) | (flags & (FDFLAG_SYNC | FDFLAG_RSYNC) ? RIGHT_FD_SYNC : 0);
}

/* As WASI's path_open; the path lies anywhere. */
static uint32_t open_at(uint32_t fd, uint32_t look, const char *path, uint32_t length, uint32_t open, uint64_t base,
                        uint64_t inheriting, uint32_t flags, uint32_t *opened)
{
    struct descriptor *directory;
    uint64_t right = RIGHT_PATH_OPEN | (open & OPEN_CREATE ? RIGHT_CREATE_FILE : 0) |
                     (open & OPEN_TRUNCATE ? RIGHT_PATH_SET_SIZE : 0) | rights_of_flags(flags);
    uint32_t new_fd, error = directory_get(fd, right, &directory);
    if (error)
        return error;
    if ((open & ~(uint32_t)OPEN_ALL) || (flags & ~(uint32_t)FDFLAGS_ALL))
        return EINVAL;
    if ((base | inheriting) & ~directory->node.inheriting)
        return ENOTCAPABLE;
    if (length > FS_PATH_MAX)
        return ENAMETOOLONG;
    if ((error = descriptor_take(&new_fd)))
        return error;
    struct message m = {0, {0, length, open_flags(look, open, base)}};
    memcpy(node_window(directory), path, length);
    if ((error = node_call(directory, FS_OPEN, &m)))
        return error;
    bool is_directory = m.words[1] == FS_TYPE_DIRECTORY;
    struct descriptor *made = descriptor_at(new_fd);
    made->kind = FD_NODE;
    made->flags = (uint16_t)flags;
    made->rights = base & (is_directory ? RIGHTS_DIRECTORY : RIGHTS_FILE);
    made->node.handle = m.words[0];
    made->node.inheriting = is_directory ? inheriting : 0;
    made->node.session = directory->node.session;
    made->node.type = (uint8_t)m.words[1];
    *opened = new_fd;
    return ESUCCESS;
}

uint32_t WASI(path_open)(uint32_t fd, uint32_t look, uint32_t path, uint32_t length, uint32_t open, uint64_t base,
                         uint64_t inheriting, uint32_t flags, uint32_t opened)
{
    struct descriptor *directory;
    uint32_t new_fd, error = directory_get(fd, 0, &directory);
    if (error)
        return error;
    if (!in_memory(path, length) || !in_memory(opened, 4))
        return EFAULT;
    if ((error = open_at(fd, look, at(path), length, open, base, inheriting, flags, &new_fd)))
        return error;
    memcpy(at(opened), &new_fd, sizeof(new_fd));
    return ESUCCESS;
}

/* The preopened directory that the path leads through, the deepest; *rest: the path from there. */
static bool preopen_find(const char *path, uint32_t *fd, const char **rest)
{
    size_t deepest = 0;
    for (uint32_t i = FIRST_PREOPEN; i < FIRST_PREOPEN + start_page->preopens.count; i++) {
        const char *at = preopen_path(i);
        size_t length = at ? text_length(at) : 0;
        bool is_root = length == 1;
        if (!at || length <= deepest || !text_begins(path, at) || (!is_root && path[length] && path[length] != '/'))
            continue;
        deepest = length;
        *fd = i;
        *rest = path + length;
    }
    while (deepest > 0 && **rest == '/')
        ++*rest;
    return deepest > 0;
}

uint32_t path_open_absolute(const char *path, uint32_t look, uint32_t open, uint64_t base, uint32_t flags, uint32_t *fd)
{
    uint32_t directory;
    const char *rest;
    if (!preopen_find(path, &directory, &rest))
        return ENOTCAPABLE;
    if (!*rest)
        rest = ".";
    return open_at(directory, look, rest, (uint32_t)text_length(rest), open, base, 0, flags, fd);
}

/* ---- directories --------------------------------------------------------------------------------------------- */

/* Cookie behind the last whole entry of what the server wrote, which may be nonsense. */
static uint64_t last_cookie(const uint8_t *window, uint64_t bytes, uint64_t cookie)
{
    struct fs_entry entry;
    for (uint64_t at = 0; bytes - at >= sizeof(entry); at += sizeof(entry) + entry.name_bytes) {
        memcpy(&entry, window + at, sizeof(entry));
        if (entry.name_bytes > bytes - at - sizeof(entry))
            break;
        cookie = entry.next;
    }
    return cookie;
}

/* The last entry is cut when the buffer is full: so the program knows that there is more. */
uint32_t WASI(fd_readdir)(uint32_t fd, uint32_t buffer, uint32_t length, uint64_t cookie, uint32_t used)
{
    struct descriptor *directory;
    uint32_t filled = 0;
    uint32_t error = directory_get(fd, RIGHT_READDIR, &directory);
    if (error)
        return error;
    if (!in_memory(buffer, length) || !in_memory(used, 4))
        return EFAULT;
    while (filled < length) {
        uint64_t wanted = (uint64_t)length - filled + sizeof(struct fs_entry) + FS_NAME_MAX;
        struct message m = {0, {0, cookie, wanted < FS_WINDOW_BYTES ? wanted : FS_WINDOW_BYTES}};
        error = node_call(directory, FS_LIST, &m);
        if (error || m.words[0] > FS_WINDOW_BYTES)
            return error ? error : EIO;
        uint32_t part = m.words[0] < length - filled ? (uint32_t)m.words[0] : length - filled;
        memcpy(at(buffer + filled), node_window(directory), part);
        filled += part;
        cookie = last_cookie(node_window(directory), m.words[0], cookie);
        if (m.words[1] || m.words[0] == 0)
            break;
    }
    memcpy(at(used), &filled, sizeof(filled));
    return ESUCCESS;
}

uint32_t WASI(path_create_directory)(uint32_t fd, uint32_t path, uint32_t length)
{
    struct message m = {0};
    return path_call(fd, RIGHT_CREATE_DIRECTORY, path, length, FS_MAKE_DIRECTORY, &m);
}

uint32_t WASI(path_remove_directory)(uint32_t fd, uint32_t path, uint32_t length)
{
    struct message m = {0};
    return path_call(fd, RIGHT_REMOVE_DIRECTORY, path, length, FS_REMOVE_DIRECTORY, &m);
}

uint32_t WASI(path_unlink_file)(uint32_t fd, uint32_t path, uint32_t length)
{
    struct message m = {0};
    return path_call(fd, RIGHT_UNLINK, path, length, FS_UNLINK, &m);
}

/* ---- what a path names --------------------------------------------------------------------------------------- */

uint32_t WASI(path_filestat_get)(uint32_t fd, uint32_t flags, uint32_t path, uint32_t length, uint32_t stat)
{
    struct message m = {0, {0, 0, follow_of(flags)}};
    if (descriptor_get(fd) && !in_memory(stat, sizeof(struct fs_stat)))
        return EFAULT;
    uint32_t error = path_call(fd, RIGHT_PATH_STAT, path, length, FS_STAT_PATH, &m);
    if (!error)
        memcpy(at(stat), m.words, sizeof(struct fs_stat));
    return error;
}

uint32_t WASI(path_filestat_set_times)(uint32_t fd, uint32_t flags, uint32_t path, uint32_t length, uint64_t accessed,
                                       uint64_t modified, uint32_t which)
{
    struct message m = {0, {0, 0, follow_of(flags), accessed, modified, which}};
    return path_call(fd, RIGHT_PATH_SET_TIMES, path, length, FS_TIMES_PATH, &m);
}

uint32_t WASI(path_readlink)(uint32_t fd, uint32_t path, uint32_t length, uint32_t buffer, uint32_t size, uint32_t used)
{
    struct message m = {0};
    struct descriptor *directory = descriptor_get(fd);
    if (directory && (!in_memory(buffer, size) || !in_memory(used, 4)))
        return EFAULT;
    uint32_t error = path_call(fd, RIGHT_READLINK, path, length, FS_READLINK, &m);
    if (error)
        return error;
    uint32_t bytes = m.words[0] < size ? (uint32_t)m.words[0] : size;
    if (bytes > FS_WINDOW_BYTES)
        return EIO;
    memcpy(at(buffer), node_window(directory), bytes);
    memcpy(at(used), &bytes, sizeof(bytes));
    return ESUCCESS;
}

/* ---- two names ----------------------------------------------------------------------------------------------- */

uint32_t WASI(path_link)(uint32_t from, uint32_t flags, uint32_t old_path, uint32_t old_length, uint32_t to,
                         uint32_t new_path, uint32_t new_length)
{
    struct message m = {0, {0, 0, 0, 0, follow_of(flags)}};
    return two_paths_call(from, RIGHT_LINK_SOURCE, old_path, old_length, to, RIGHT_LINK_TARGET, new_path, new_length,
                          FS_LINK, &m);
}

uint32_t WASI(path_rename)(uint32_t from, uint32_t old_path, uint32_t old_length, uint32_t to, uint32_t new_path,
                           uint32_t new_length)
{
    struct message m = {0};
    return two_paths_call(from, RIGHT_RENAME_SOURCE, old_path, old_length, to, RIGHT_RENAME_TARGET, new_path,
                          new_length, FS_RENAME, &m);
}

uint32_t WASI(path_symlink)(uint32_t old_path, uint32_t old_length, uint32_t fd, uint32_t new_path, uint32_t new_length)
{
    struct descriptor *directory;
    struct message m = {0, {0, new_length, old_length}};
    uint32_t error = in_memory(old_path, old_length) ? directory_get(fd, RIGHT_SYMLINK, &directory) : EFAULT;
    if (error || (error = path_put(directory, 0, new_path, new_length)) ||
        (error = path_put(directory, new_length, old_path, old_length)))
        return error;
    return node_call(directory, FS_SYMLINK, &m);
}
