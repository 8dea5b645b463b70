/* Files: WASI preview 1's fd_ functions (witx/wasi_snapshot_preview1.witx), each a system call or two. Sockets there
 * are none. */
#include "files.h"
#include "kernel_interface.h"
#include "linux.h"
#include "wasi_path.h"

#define WASI(name) __imported_wasi_snapshot_preview1_##name

/* ---- reading and writing ---- */

#define NO_OFFSET UINT64_MAX

/* The vector of buffers at `vectors`, one after the other; from `offset` on, or where the file stands. */
static uint32_t transfer(long number, uint32_t descriptor, uint32_t vectors, uint32_t count, uint64_t offset,
                         uint32_t result)
{
    uint32_t total = 0;
    long file = linux_file(descriptor);
    if (file < 0)
        return ERRNO_BADF;
    if (!linux_is_within(vectors, 8ull * count) || !linux_is_within(result, 4))
        return ERRNO_FAULT;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t address = linux_get32(vectors + 8 * i), bytes = linux_get32(vectors + 8 * i + 4);
        if (!linux_is_within(address, bytes))
            return ERRNO_FAULT;
        long at = offset == NO_OFFSET ? 0 : (long)(offset + total);
        long done = linux_call(number, file, (long)(linux_memory() + address), bytes, at, 0, 0);
        if (done < 0 && total == 0)
            return linux_errno(done);
        total += done > 0 ? (uint32_t)done : 0;
        if (done < (long)bytes)
            break;
    }
    linux_put(result, total, 4);
    return ERRNO_SUCCESS;
}

uint32_t WASI(fd_write)(uint32_t descriptor, uint32_t vectors, uint32_t count, uint32_t result);
uint32_t WASI(fd_write)(uint32_t descriptor, uint32_t vectors, uint32_t count, uint32_t result)
{
    return transfer(SYSCALL_WRITE, descriptor, vectors, count, NO_OFFSET, result);
}

uint32_t WASI(fd_read)(uint32_t descriptor, uint32_t vectors, uint32_t count, uint32_t result);
uint32_t WASI(fd_read)(uint32_t descriptor, uint32_t vectors, uint32_t count, uint32_t result)
{
    return transfer(SYSCALL_READ, descriptor, vectors, count, NO_OFFSET, result);
}

uint32_t WASI(fd_pread)(uint32_t descriptor, uint32_t vectors, uint32_t count, uint64_t offset, uint32_t result);
uint32_t WASI(fd_pread)(uint32_t descriptor, uint32_t vectors, uint32_t count, uint64_t offset, uint32_t result)
{
    return transfer(SYSCALL_PREAD64, descriptor, vectors, count, offset & INT64_MAX, result);
}

uint32_t WASI(fd_pwrite)(uint32_t descriptor, uint32_t vectors, uint32_t count, uint64_t offset, uint32_t result);
uint32_t WASI(fd_pwrite)(uint32_t descriptor, uint32_t vectors, uint32_t count, uint64_t offset, uint32_t result)
{
    return transfer(SYSCALL_PWRITE64, descriptor, vectors, count, offset & INT64_MAX, result);
}

uint32_t WASI(fd_seek)(uint32_t descriptor, uint64_t offset, uint32_t whence, uint32_t result);
uint32_t WASI(fd_seek)(uint32_t descriptor, uint64_t offset, uint32_t whence, uint32_t result)
{
    if (linux_file(descriptor) < 0)
        return ERRNO_BADF;
    if (whence > 2)
        return ERRNO_INVAL;
    if (!linux_is_within(result, 8))
        return ERRNO_FAULT;
    long at = linux_call(SYSCALL_LSEEK, linux_file(descriptor), (long)offset, whence, 0, 0, 0);
    if (at >= 0)
        linux_put(result, (uint64_t)at, 8);
    return linux_errno(at);
}

uint32_t WASI(fd_tell)(uint32_t descriptor, uint32_t result);
uint32_t WASI(fd_tell)(uint32_t descriptor, uint32_t result)
{
    return WASI(fd_seek)(descriptor, 0, 1, result);
}

/* ---- what a descriptor is ---- */

/* Linux's struct statx, as far as it is asked for (include/uapi/linux/stat.h). */
struct linux_time {
    int64_t seconds;
    uint32_t nanoseconds;
    int32_t reserved;
};

struct linux_status {
    uint32_t mask, block_bytes;
    uint64_t attributes;
    uint32_t links, user, group;
    uint16_t mode, padding;
    uint64_t number, size, blocks, attributes_mask;
    struct linux_time access, birth, change, modification;
    uint32_t device_major, device_minor, on_major, on_minor;
    uint64_t spare[14];
};
_Static_assert(sizeof(struct linux_status) == 256, "include/uapi/linux/stat.h");

enum { TYPE_UNKNOWN, TYPE_BLOCK, TYPE_CHARACTER, TYPE_DIRECTORY, TYPE_REGULAR, TYPE_DATAGRAM, TYPE_STREAM, TYPE_LINK };

static uint32_t file_type(uint32_t mode)
{
    static const uint8_t types[16] = {[2] = TYPE_CHARACTER, [4] = TYPE_DIRECTORY, [6] = TYPE_BLOCK,
                                      [8] = TYPE_REGULAR,   [10] = TYPE_LINK,     [12] = TYPE_STREAM};
    return types[mode >> 12 & 15];
}

static uint64_t nanoseconds(struct linux_time time)
{
    return (uint64_t)time.seconds * 1000000000 + time.nanoseconds;
}

uint32_t linux_stat(long folder, const char *name, int flags, uint32_t result);
uint32_t linux_stat(long folder, const char *name, int flags, uint32_t result)
{
    struct linux_status status;
    if (!linux_is_within(result, 64))
        return ERRNO_FAULT;
    long done = linux_call(SYSCALL_STATX, folder, (long)name, flags, STATX_BASIC, (long)&status, 0);
    if (done < 0)
        return linux_errno(done);
    linux_put(result, (uint64_t)status.on_major << 32 | status.on_minor, 8);
    linux_put(result + 8, status.number, 8);
    linux_put(result + 16, file_type(status.mode), 8);
    linux_put(result + 24, status.links, 8);
    linux_put(result + 32, status.size, 8);
    linux_put(result + 40, nanoseconds(status.access), 8);
    linux_put(result + 48, nanoseconds(status.modification), 8);
    linux_put(result + 56, nanoseconds(status.change), 8);
    return ERRNO_SUCCESS;
}

uint32_t WASI(fd_filestat_get)(uint32_t descriptor, uint32_t result);
uint32_t WASI(fd_filestat_get)(uint32_t descriptor, uint32_t result)
{
    long file = linux_file(descriptor);
    return file < 0 ? (uint32_t)ERRNO_BADF : linux_stat(file, "", AT_EMPTY_PATH, result);
}

enum { STATUS_APPEND = 1, STATUS_DSYNC = 2, STATUS_NONBLOCK = 4 };
enum { RIGHTS_ALL = 0x1fffffff, RIGHTS_STREAM = 0x42 /* fd_read, fd_write: a terminal cannot be positioned */ };

uint32_t WASI(fd_fdstat_get)(uint32_t descriptor, uint32_t result);
uint32_t WASI(fd_fdstat_get)(uint32_t descriptor, uint32_t result)
{
    struct linux_status status;
    long file = linux_file(descriptor);
    if (file < 0)
        return ERRNO_BADF;
    if (!linux_is_within(result, 24))
        return ERRNO_FAULT;
    uint8_t terminal[64]; /* struct termios is shorter */
    bool is_terminal = linux_call(SYSCALL_IOCTL, file, TERMINAL_GET, (long)terminal, 0, 0, 0) == 0;
    long done = linux_call(SYSCALL_STATX, file, (long)"", AT_EMPTY_PATH, STATX_BASIC, (long)&status, 0);
    long flags = linux_call(SYSCALL_FCNTL, file, FILE_GET_FLAGS, 0, 0, 0, 0);
    if (done < 0 || flags < 0)
        return linux_errno(done < 0 ? done : flags);
    uint32_t type = file_type(status.mode);
    bool is_seekable = type == TYPE_REGULAR || type == TYPE_DIRECTORY;
    if (type == TYPE_CHARACTER && !is_terminal)
        type = TYPE_UNKNOWN; /* /dev/null and the like are no terminals, which this type tells programs */
    linux_put(result, type, 2);
    linux_put(result + 2,
              (flags & OPEN_APPEND ? STATUS_APPEND : 0) | (flags & OPEN_DSYNC ? STATUS_DSYNC : 0) |
                  (flags & OPEN_NONBLOCK ? STATUS_NONBLOCK : 0),
              6);
    linux_put(result + 8, is_seekable ? RIGHTS_ALL : RIGHTS_STREAM, 8);
    linux_put(result + 16, type == TYPE_DIRECTORY ? RIGHTS_ALL : 0, 8);
    return ERRNO_SUCCESS;
}

uint32_t WASI(fd_fdstat_set_flags)(uint32_t descriptor, uint32_t flags);
uint32_t WASI(fd_fdstat_set_flags)(uint32_t descriptor, uint32_t flags)
{
    long file = linux_file(descriptor);
    if (file < 0)
        return ERRNO_BADF;
    if (flags & ~(uint32_t)(STATUS_APPEND | STATUS_NONBLOCK))
        return ERRNO_NOTSUP;
    int mode = (flags & STATUS_APPEND ? OPEN_APPEND : 0) | (flags & STATUS_NONBLOCK ? OPEN_NONBLOCK : 0);
    return linux_errno(linux_call(SYSCALL_FCNTL, file, FILE_SET_FLAGS, mode, 0, 0, 0));
}

/* Rights are what the file was opened with; nothing is taken from them later. */
uint32_t WASI(fd_fdstat_set_rights)(uint32_t descriptor, uint64_t base, uint64_t inheriting);
uint32_t WASI(fd_fdstat_set_rights)(uint32_t descriptor, uint64_t base, uint64_t inheriting)
{
    (void)base, (void)inheriting;
    return linux_file(descriptor) < 0 ? ERRNO_BADF : ERRNO_NOTSUP;
}

/* ---- changes ---- */

/* One system call on a descriptor. */
static uint32_t on_file(uint32_t descriptor, long number, uint64_t second, uint64_t third, uint64_t fourth)
{
    long file = linux_file(descriptor);
    return file < 0 ? (uint32_t)ERRNO_BADF
                    : linux_errno(linux_call(number, file, (long)second, (long)third, (long)fourth, 0, 0));
}

uint32_t WASI(fd_filestat_set_size)(uint32_t descriptor, uint64_t size);
uint32_t WASI(fd_filestat_set_size)(uint32_t descriptor, uint64_t size)
{
    return on_file(descriptor, SYSCALL_FTRUNCATE, size, 0, 0);
}

uint32_t WASI(fd_allocate)(uint32_t descriptor, uint64_t offset, uint64_t length);
uint32_t WASI(fd_allocate)(uint32_t descriptor, uint64_t offset, uint64_t length)
{
    return on_file(descriptor, SYSCALL_FALLOCATE, 0, offset, length);
}

uint32_t WASI(fd_sync)(uint32_t descriptor);
uint32_t WASI(fd_sync)(uint32_t descriptor)
{
    return on_file(descriptor, SYSCALL_FSYNC, 0, 0, 0);
}

uint32_t WASI(fd_datasync)(uint32_t descriptor);
uint32_t WASI(fd_datasync)(uint32_t descriptor)
{
    return on_file(descriptor, SYSCALL_FDATASYNC, 0, 0, 0);
}

/* Advice may be ignored. */
uint32_t WASI(fd_advise)(uint32_t descriptor, uint64_t offset, uint64_t length, uint32_t advice);
uint32_t WASI(fd_advise)(uint32_t descriptor, uint64_t offset, uint64_t length, uint32_t advice)
{
    (void)offset, (void)length;
    return linux_file(descriptor) < 0 ? ERRNO_BADF : advice > 5 ? ERRNO_INVAL : ERRNO_SUCCESS;
}

enum { SET_ACCESS = 1, SET_ACCESS_NOW = 2, SET_MODIFICATION = 4, SET_MODIFICATION_NOW = 8 };

static void time_set(uint64_t time[2], uint64_t value, uint32_t is_value, uint32_t is_now)
{
    time[0] = value / 1000000000;
    time[1] = is_now ? TIME_NOW : is_value ? value % 1000000000 : TIME_OMIT;
}

uint32_t linux_set_times(long folder, const char *name, uint64_t access, uint64_t modification, uint32_t set);
uint32_t linux_set_times(long folder, const char *name, uint64_t access, uint64_t modification, uint32_t set)
{
    uint64_t times[4];
    time_set(times, access, set & SET_ACCESS, set & SET_ACCESS_NOW);
    time_set(times + 2, modification, set & SET_MODIFICATION, set & SET_MODIFICATION_NOW);
    return linux_errno(linux_call(SYSCALL_UTIMENSAT, folder, (long)name, (long)times, name ? AT_NO_FOLLOW : 0, 0, 0));
}

uint32_t WASI(fd_filestat_set_times)(uint32_t descriptor, uint64_t access, uint64_t modification, uint32_t set);
uint32_t WASI(fd_filestat_set_times)(uint32_t descriptor, uint64_t access, uint64_t modification, uint32_t set)
{
    long file = linux_file(descriptor);
    return file < 0 ? (uint32_t)ERRNO_BADF : linux_set_times(file, NULL, access, modification, set);
}

uint32_t WASI(fd_close)(uint32_t descriptor);
uint32_t WASI(fd_close)(uint32_t descriptor)
{
    return linux_file_close(descriptor);
}

uint32_t WASI(fd_renumber)(uint32_t from, uint32_t to);
uint32_t WASI(fd_renumber)(uint32_t from, uint32_t to)
{
    return linux_file_move(from, to);
}

/* ---- folders ---- */

static uint32_t text_bytes(const char *text)
{
    uint32_t bytes = 0;
    while (text[bytes])
        bytes++;
    return bytes;
}

uint32_t WASI(fd_prestat_get)(uint32_t descriptor, uint32_t result);
uint32_t WASI(fd_prestat_get)(uint32_t descriptor, uint32_t result)
{
    const char *name = linux_file_name(descriptor);
    if (!name)
        return ERRNO_BADF;
    if (!linux_is_within(result, 8))
        return ERRNO_FAULT;
    linux_put(result, 0, 4); /* a folder */
    linux_put(result + 4, text_bytes(name), 4);
    return ERRNO_SUCCESS;
}

uint32_t WASI(fd_prestat_dir_name)(uint32_t descriptor, uint32_t path, uint32_t length);
uint32_t WASI(fd_prestat_dir_name)(uint32_t descriptor, uint32_t path, uint32_t length)
{
    const char *name = linux_file_name(descriptor);
    if (!name)
        return ERRNO_BADF;
    if (length < text_bytes(name))
        return ERRNO_NAMETOOLONG;
    if (!linux_is_within(path, length))
        return ERRNO_FAULT;
    for (uint32_t i = 0; name[i]; i++)
        linux_put(path + i, (uint8_t)name[i], 1);
    return ERRNO_SUCCESS;
}

/* struct linux_dirent64 (include/linux/dirent.h): its name ends with NUL. */
struct linux_entry {
    uint64_t number;
    int64_t next; /* the cookie of what comes after */
    uint16_t bytes;
    uint8_t type;
    char name[];
};

/* Linux's d_type to WASI's. */
static uint32_t entry_type(uint8_t type)
{
    return file_type((uint32_t)type << 12);
}

/* As much of `size` bytes as there is room for. */
static void put_part(uint32_t *at, uint32_t end, const void *bytes, uint32_t size)
{
    for (uint32_t i = 0; i < size && *at < end; i++)
        /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): all bytes of our structs are set */
        linux_put((*at)++, ((const uint8_t *)bytes)[i], 1);
}

struct wasi_entry {
    uint64_t next, number;
    uint32_t name_bytes, type;
};

static void put_entry(uint32_t *at, uint32_t end, const struct linux_entry *entry)
{
    struct wasi_entry out = {(uint64_t)entry->next, entry->number, text_bytes(entry->name), entry_type(entry->type)};
    put_part(at, end, &out, sizeof out);
    put_part(at, end, entry->name, out.name_bytes);
}

/* The cookie is Linux's position in the folder. A buffer that is full says that there is more. */
uint32_t WASI(fd_readdir)(uint32_t descriptor, uint32_t buffer, uint32_t length, uint64_t cookie, uint32_t result);
uint32_t WASI(fd_readdir)(uint32_t descriptor, uint32_t buffer, uint32_t length, uint64_t cookie, uint32_t result)
{
    static uint64_t entries[512];
    uint32_t at = buffer, end = buffer + length;
    long file = linux_file(descriptor);
    if (file < 0)
        return ERRNO_BADF;
    if (!linux_is_within(buffer, length) || !linux_is_within(result, 4))
        return ERRNO_FAULT;
    long got = linux_call(SYSCALL_LSEEK, file, (long)cookie, 0, 0, 0, 0);
    while (got >= 0 && at < end) {
        got = linux_call(SYSCALL_GETDENTS64, file, (long)entries, sizeof entries, 0, 0, 0);
        if (got <= 0)
            break;
        for (long offset = 0; offset < got && at < end;) {
            const struct linux_entry *entry = (const void *)((const uint8_t *)entries + offset);
            put_entry(&at, end, entry);
            offset += entry->bytes;
        }
    }
    if (got < 0)
        return linux_errno(got);
    linux_put(result, at - buffer, 4);
    return ERRNO_SUCCESS;
}

/* ---- sockets: there are none ---- */

static uint32_t no_socket(uint32_t descriptor)
{
    return linux_file(descriptor) < 0 ? ERRNO_BADF : ERRNO_NOTSOCK;
}

#pragma GCC diagnostic ignored "-Wunused-parameter"

uint32_t WASI(sock_accept)(uint32_t descriptor, uint32_t flags, uint32_t result);
uint32_t WASI(sock_accept)(uint32_t descriptor, uint32_t flags, uint32_t result)
{
    return no_socket(descriptor);
}

uint32_t WASI(sock_recv)(uint32_t descriptor, uint32_t vectors, uint32_t count, uint32_t flags, uint32_t bytes,
                         uint32_t result);
uint32_t WASI(sock_recv)(uint32_t descriptor, uint32_t vectors, uint32_t count, uint32_t flags, uint32_t bytes,
                         uint32_t result)
{
    return no_socket(descriptor);
}

uint32_t WASI(sock_send)(uint32_t descriptor, uint32_t vectors, uint32_t count, uint32_t flags, uint32_t result);
uint32_t WASI(sock_send)(uint32_t descriptor, uint32_t vectors, uint32_t count, uint32_t flags, uint32_t result)
{
    return no_socket(descriptor);
}

uint32_t WASI(sock_shutdown)(uint32_t descriptor, uint32_t how);
uint32_t WASI(sock_shutdown)(uint32_t descriptor, uint32_t how)
{
    return no_socket(descriptor);
}
