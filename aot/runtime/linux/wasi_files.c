/* The part of WASI for which this platform has nothing: programs on Linux get three standard streams, and no files,
 * directories or sockets. So a descriptor is one of the streams, of the wrong kind for what is asked, or a bad one.
 * Errors as in the specification's errno (WASI preview 1, witx/typenames.witx). */
#include <stdint.h>

enum { ERRNO_BADF = 8, ERRNO_NOTDIR = 54, ERRNO_NOTSOCK = 57, ERRNO_NOTSUP = 58, ERRNO_SPIPE = 70 };

#define ANSWER(name, error, ...)                                                                                       \
    uint32_t __imported_wasi_snapshot_preview1_##name(uint32_t descriptor, ##__VA_ARGS__);                             \
    uint32_t __imported_wasi_snapshot_preview1_##name(uint32_t descriptor, ##__VA_ARGS__)                              \
    {                                                                                                                  \
        return descriptor > 2 ? ERRNO_BADF : (error);                                                                  \
    }

#pragma GCC diagnostic ignored "-Wunused-parameter"

ANSWER(fd_advise, ERRNO_SPIPE, uint64_t offset, uint64_t length, uint32_t advice)
ANSWER(fd_allocate, ERRNO_NOTSUP, uint64_t offset, uint64_t length)
ANSWER(fd_datasync, ERRNO_NOTSUP)
ANSWER(fd_fdstat_set_flags, ERRNO_NOTSUP, uint32_t flags)
ANSWER(fd_fdstat_set_rights, ERRNO_NOTSUP, uint64_t base, uint64_t inheriting)
ANSWER(fd_filestat_get, ERRNO_NOTSUP, uint32_t result)
ANSWER(fd_filestat_set_size, ERRNO_NOTSUP, uint64_t size)
ANSWER(fd_filestat_set_times, ERRNO_NOTSUP, uint64_t access, uint64_t modification, uint32_t flags)
ANSWER(fd_pread, ERRNO_SPIPE, uint32_t vectors, uint32_t count, uint64_t offset, uint32_t result)
ANSWER(fd_pwrite, ERRNO_SPIPE, uint32_t vectors, uint32_t count, uint64_t offset, uint32_t result)
ANSWER(fd_readdir, ERRNO_NOTDIR, uint32_t buffer, uint32_t length, uint64_t cookie, uint32_t result)
ANSWER(fd_renumber, ERRNO_NOTSUP, uint32_t to)
ANSWER(fd_sync, ERRNO_NOTSUP)
ANSWER(fd_tell, ERRNO_SPIPE, uint32_t result)
ANSWER(path_create_directory, ERRNO_NOTDIR, uint32_t path, uint32_t length)
ANSWER(path_filestat_get, ERRNO_NOTDIR, uint32_t flags, uint32_t path, uint32_t length, uint32_t result)
ANSWER(path_filestat_set_times, ERRNO_NOTDIR, uint32_t flags, uint32_t path, uint32_t length, uint64_t access,
       uint64_t modification, uint32_t set)
ANSWER(path_link, ERRNO_NOTDIR, uint32_t flags, uint32_t path, uint32_t length, uint32_t to, uint32_t to_path,
       uint32_t to_length)
ANSWER(path_open, ERRNO_NOTDIR, uint32_t flags, uint32_t path, uint32_t length, uint32_t open, uint64_t base,
       uint64_t inheriting, uint32_t descriptor_flags, uint32_t result)
ANSWER(path_readlink, ERRNO_NOTDIR, uint32_t path, uint32_t length, uint32_t buffer, uint32_t buffer_length,
       uint32_t result)
ANSWER(path_remove_directory, ERRNO_NOTDIR, uint32_t path, uint32_t length)
ANSWER(path_rename, ERRNO_NOTDIR, uint32_t path, uint32_t length, uint32_t to, uint32_t to_path, uint32_t to_length)
ANSWER(path_unlink_file, ERRNO_NOTDIR, uint32_t path, uint32_t length)
ANSWER(sock_accept, ERRNO_NOTSOCK, uint32_t flags, uint32_t result)
ANSWER(sock_recv, ERRNO_NOTSOCK, uint32_t vectors, uint32_t count, uint32_t flags, uint32_t bytes, uint32_t result)
ANSWER(sock_send, ERRNO_NOTSOCK, uint32_t vectors, uint32_t count, uint32_t flags, uint32_t result)
ANSWER(sock_shutdown, ERRNO_NOTSOCK, uint32_t how)

uint32_t __imported_wasi_snapshot_preview1_path_symlink(uint32_t target, uint32_t target_length, uint32_t descriptor,
                                                        uint32_t path, uint32_t length);
uint32_t __imported_wasi_snapshot_preview1_path_symlink(uint32_t target, uint32_t target_length, uint32_t descriptor,
                                                        uint32_t path, uint32_t length)
{
    return descriptor > 2 ? ERRNO_BADF : ERRNO_NOTDIR;
}
