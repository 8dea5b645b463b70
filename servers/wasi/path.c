/* Paths and directories: no program holds a directory yet, so every descriptor is the wrong one for them. The answers
 * are those of a system without preopened directories.
 */
#include "imports.h"

static uint32_t not_a_directory(uint32_t fd, uint32_t path, uint32_t length)
{
    if (!descriptor_get(fd))
        return EBADF;
    return in_memory(path, length) ? ENOTDIR : EFAULT;
}

uint32_t WASI(fd_prestat_get)(uint32_t fd, uint32_t prestat)
{
    (void)fd;
    (void)prestat;
    return EBADF; /* also for open descriptors: wasi-libc takes it as the end of the preopened ones */
}

uint32_t WASI(fd_prestat_dir_name)(uint32_t fd, uint32_t path, uint32_t length)
{
    return not_a_directory(fd, path, length);
}

uint32_t WASI(fd_readdir)(uint32_t fd, uint32_t buffer, uint32_t length, uint64_t cookie, uint32_t used)
{
    (void)cookie;
    (void)used;
    return not_a_directory(fd, buffer, length);
}

uint32_t WASI(path_create_directory)(uint32_t fd, uint32_t path, uint32_t length)
{
    return not_a_directory(fd, path, length);
}

uint32_t WASI(path_filestat_get)(uint32_t fd, uint32_t flags, uint32_t path, uint32_t length, uint32_t stat)
{
    (void)flags;
    (void)stat;
    return not_a_directory(fd, path, length);
}

uint32_t WASI(path_filestat_set_times)(uint32_t fd, uint32_t flags, uint32_t path, uint32_t length, uint64_t accessed,
                                       uint64_t modified, uint32_t which)
{
    (void)flags;
    (void)accessed;
    (void)modified;
    (void)which;
    return not_a_directory(fd, path, length);
}

uint32_t WASI(path_link)(uint32_t from, uint32_t flags, uint32_t old_path, uint32_t old_length, uint32_t to,
                         uint32_t new_path, uint32_t new_length)
{
    (void)flags;
    uint32_t error = not_a_directory(from, old_path, old_length);
    return error != ENOTDIR ? error : not_a_directory(to, new_path, new_length);
}

uint32_t WASI(path_open)(uint32_t fd, uint32_t look, uint32_t path, uint32_t length, uint32_t open, uint64_t base,
                         uint64_t inheriting, uint32_t flags, uint32_t opened)
{
    (void)look;
    (void)open;
    (void)base;
    (void)inheriting;
    (void)flags;
    (void)opened;
    return not_a_directory(fd, path, length);
}

uint32_t WASI(path_readlink)(uint32_t fd, uint32_t path, uint32_t length, uint32_t buffer, uint32_t size, uint32_t used)
{
    (void)buffer;
    (void)size;
    (void)used;
    return not_a_directory(fd, path, length);
}

uint32_t WASI(path_remove_directory)(uint32_t fd, uint32_t path, uint32_t length)
{
    return not_a_directory(fd, path, length);
}

uint32_t WASI(path_rename)(uint32_t from, uint32_t old_path, uint32_t old_length, uint32_t to, uint32_t new_path,
                           uint32_t new_length)
{
    uint32_t error = not_a_directory(from, old_path, old_length);
    return error != ENOTDIR ? error : not_a_directory(to, new_path, new_length);
}

uint32_t WASI(path_symlink)(uint32_t old_path, uint32_t old_length, uint32_t fd, uint32_t new_path, uint32_t new_length)
{
    if (!in_memory(old_path, old_length))
        return EFAULT;
    return not_a_directory(fd, new_path, new_length);
}

uint32_t WASI(path_unlink_file)(uint32_t fd, uint32_t path, uint32_t length)
{
    return not_a_directory(fd, path, length);
}
