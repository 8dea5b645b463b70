/* What is done with an open file or directory: see file_request.h. */
#include "file_request.h"

#include "tessera/file_budget.h"
#include "tessera/text.h"

#define COOKIE_DOT    0
#define COOKIE_PARENT 1

uint32_t file_stat_put(const struct request *request, inode file, uint32_t mount)
{
    struct fs_stat stat = {0};
    uint32_t error = file_backend->stat(file, &stat);
    stat.device = mount + 1ul;
    memcpy(request->results, &stat, sizeof(stat));
    return error;
}

/* ---- bytes ------------------------------------------------------------------------------------------------- */

static uint32_t file_check(const struct request *request, uint32_t access)
{
    if (request->handle->type == FS_TYPE_DIRECTORY)
        return FS_EISDIR;
    return request->handle->access & access ? FS_OK : FS_EBADF;
}

uint32_t file_read(const struct request *request)
{
    uint32_t done = 0, error = file_check(request, FS_MAY_READ);
    word bytes = request->words[2] < FS_WINDOW_BYTES ? request->words[2] : FS_WINDOW_BYTES;
    if (!error)
        error = file_backend->read(request->handle->file, request->words[1], request->window, (uint32_t)bytes, &done);
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

uint32_t file_write(const struct request *request)
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
        error = file_backend->write(handle->file, request->words[1], request->window, (uint32_t)bytes, &done,
                                    &request->results[1]);
    if (done > 0 && request->results[1] > before)
        budget_add(handle->budget, request->results[1] - before);
    request->results[0] = done;
    return error;
}

/* ---- sizes and times --------------------------------------------------------------------------------------- */

/* `handle` says whose budget it is. */
uint32_t handle_resize(const struct handle *handle, inode file, uint64_t bytes)
{
    if (!handle->budget)
        return file_backend->resize(file, bytes);
    uint64_t before = size_of(file);
    if (bytes > before && bytes - before > room_of(handle))
        return FS_ENOSPC;
    uint32_t error = file_backend->resize(file, bytes);
    size_changed(handle, before, error ? size_of(file) : bytes);
    return error;
}

static uint32_t handle_allocate(const struct handle *handle, uint64_t offset, uint64_t bytes, uint64_t *done)
{
    uint64_t before = handle->budget ? size_of(handle->file) : 0, end;
    if (handle->budget && !__builtin_add_overflow(offset, bytes, &end) && end > before &&
        end - before > room_of(handle))
        return FS_ENOSPC;
    uint32_t error = file_backend->allocate(handle->file, offset, bytes, done);
    if (handle->budget)
        size_changed(handle, before, size_of(handle->file));
    return error;
}

uint32_t file_changed_size(const struct request *request, uint64_t bytes, bool is_allocate)
{
    uint32_t error = file_check(request, FS_MAY_WRITE);
    if (error)
        return error == FS_EBADF ? FS_EINVAL : error;
    return is_allocate ? handle_allocate(request->handle, request->words[1], bytes, &request->results[0])
                       : handle_resize(request->handle, request->handle->file, bytes);
}

uint32_t file_times(inode file, uint64_t accessed, uint64_t modified, word which)
{
    if (which >= 16 || (which & 3) == 3 || (which & 12) == 12)
        return FS_EINVAL;
    if (which & FS_TIME_ACCESSED_NOW)
        accessed = file_server_now_ns();
    if (which & FS_TIME_MODIFIED_NOW)
        modified = file_server_now_ns();
    uint32_t set = (which & 3 ? FS_TIME_ACCESSED : 0) | (which & 12 ? FS_TIME_MODIFIED : 0);
    return file_backend->times(file, accessed, modified, set);
}

/* ---- listing ----------------------------------------------------------------------------------------------- */

static uint32_t entry_find(const struct handle *directory, uint64_t cookie, struct file_entry *entry)
{
    if (cookie > COOKIE_PARENT)
        return file_backend->list(directory->file, cookie, entry);
    struct fs_stat stat = {0};
    inode parent = directory->file;
    uint32_t error = cookie == COOKIE_DOT ? FS_OK : file_backend->parent(directory->file, &parent);
    if (!error)
        error = file_backend->stat(parent, &stat);
    *entry = (struct file_entry){cookie + 1, stat.inode, FS_TYPE_DIRECTORY, 1 + (uint32_t)cookie, ".."};
    return error;
}

uint32_t directory_list(const struct request *request)
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
        memcpy(request->window + used, &head, sizeof(head));
        memcpy(request->window + used + sizeof(head), entry.name, entry.name_bytes);
        used += (uint32_t)sizeof(head) + entry.name_bytes;
        cookie = entry.next;
    }
    request->results[0] = used;
    request->results[1] = error == FS_ENOENT;
    if (error == FS_ENOENT)
        return FS_OK;
    return error ? error : used ? FS_OK : FS_EINVAL;
}
