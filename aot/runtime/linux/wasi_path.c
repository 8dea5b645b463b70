/* Paths of the program: WASI preview 1's path_ functions. Links are never followed, so the words of a path are what
 * they say, ".." goes back to the folder before, and nothing leads above the folder where a path begins. */
#include "wasi_path.h"

#include "files.h"
#include "kernel_interface.h"
#include "linux.h"

#define WASI(name)    __imported_wasi_snapshot_preview1_##name
#define MAXIMUM_DEPTH 128

/* ---- walking ---- */

/* The words of the path, without "." and with ".." taken back, into `words`: how many. */
static uint32_t split(char *text, char **words, uint32_t *count)
{
    *count = 0;
    if (text[0] == '/')
        return ERRNO_NOTCAPABLE;
    while (*text) {
        char *word = text;
        while (*text && *text != '/')
            text++;
        if (*text)
            *text++ = 0;
        bool is_dot = word[0] == 0 || (word[0] == '.' && word[1] == 0);
        bool is_back = word[0] == '.' && word[1] == '.' && word[2] == 0;
        if (is_back && *count == 0)
            return ERRNO_NOTCAPABLE;
        if (is_back)
            --*count;
        else if (!is_dot && *count == MAXIMUM_DEPTH)
            return ERRNO_NAMETOOLONG;
        else if (!is_dot)
            words[(*count)++] = word;
    }
    return ERRNO_SUCCESS;
}

uint32_t path_open(struct path *path, uint32_t descriptor, uint32_t address, uint32_t length)
{
    static char here[] = ".";
    static char *words[MAXIMUM_DEPTH];
    uint32_t count;
    long start = linux_file(descriptor);
    if (start < 0)
        return ERRNO_BADF;
    if (!linux_is_within(address, length))
        return ERRNO_FAULT;
    if (length >= PATH_BYTES)
        return ERRNO_NAMETOOLONG;
    for (uint32_t i = 0; i < length; i++)
        if (!(path->text[i] = (char)linux_memory()[address + i]))
            return ERRNO_INVAL;
    path->text[length] = 0;
    uint32_t error = length == 0 ? 44 /* noent */ : split(path->text, words, &count);
    if (error != ERRNO_SUCCESS)
        return error;
    path->folder =
        linux_call(SYSCALL_OPENAT, start, (long)here, OPEN_PATH | OPEN_DIRECTORY | OPEN_CLOSE_ON_EXEC, 0, 0, 0);
    for (uint32_t i = 0; path->folder >= 0 && i + 1 < count; i++) {
        long next = linux_call(SYSCALL_OPENAT, path->folder, (long)words[i],
                               OPEN_PATH | OPEN_DIRECTORY | OPEN_NO_FOLLOW | OPEN_CLOSE_ON_EXEC, 0, 0, 0);
        path_close(path);
        path->folder = next;
    }
    path->last = count ? words[count - 1] : here;
    return linux_errno(path->folder);
}

void path_close(struct path *path)
{
    linux_call(SYSCALL_CLOSE, path->folder, 0, 0, 0, 0, 0);
}

/* ---- the functions ---- */

enum { RIGHT_WRITE = 1 << 6, RIGHT_READ = 1 << 1, RIGHT_READ_FOLDER = 1 << 14 };
enum { FLAG_CREATE = 1, FLAG_DIRECTORY = 2, FLAG_EXCLUSIVE = 4, FLAG_TRUNCATE = 8 };
enum { STATUS_APPEND = 1, STATUS_DSYNC = 2, STATUS_NONBLOCK = 4, STATUS_RSYNC = 8, STATUS_SYNC = 16 };

static int open_flags(uint32_t flags, uint64_t rights, uint32_t status)
{
    int mode = OPEN_NO_FOLLOW | OPEN_CLOSE_ON_EXEC;
    bool may_write = rights & RIGHT_WRITE && !(flags & FLAG_DIRECTORY);
    mode |= may_write ? (rights & RIGHT_READ ? OPEN_BOTH : OPEN_WRITE) : OPEN_READ;
    mode |= (flags & FLAG_CREATE ? OPEN_CREATE : 0) | (flags & FLAG_DIRECTORY ? OPEN_DIRECTORY : 0) |
            (flags & FLAG_EXCLUSIVE ? OPEN_EXCLUSIVE : 0) | (flags & FLAG_TRUNCATE ? OPEN_TRUNCATE : 0);
    mode |= (status & STATUS_APPEND ? OPEN_APPEND : 0) | (status & STATUS_NONBLOCK ? OPEN_NONBLOCK : 0) |
            (status & (STATUS_DSYNC | STATUS_RSYNC | STATUS_SYNC) ? OPEN_DSYNC : 0);
    return mode;
}

uint32_t WASI(path_open)(uint32_t descriptor, uint32_t lookup, uint32_t address, uint32_t length, uint32_t flags,
                         uint64_t base, uint64_t inheriting, uint32_t status, uint32_t result);
uint32_t WASI(path_open)(uint32_t descriptor, uint32_t lookup, uint32_t address, uint32_t length, uint32_t flags,
                         uint64_t base, uint64_t inheriting, uint32_t status, uint32_t result)
{
    static struct path path;
    uint32_t added = 0;
    (void)lookup, (void)inheriting;
    if (!linux_is_within(result, 4))
        return ERRNO_FAULT;
    uint32_t error = path_open(&path, descriptor, address, length);
    if (error != ERRNO_SUCCESS)
        return error;
    int mode = open_flags(flags, base, status);
    long opened = linux_call(SYSCALL_OPENAT, path.folder, (long)path.last, mode, 0666, 0, 0);
    if (opened == -21) /* EISDIR: a folder is opened to be read, whatever else the rights would allow */
        opened = linux_call(SYSCALL_OPENAT, path.folder, (long)path.last,
                            OPEN_READ | OPEN_DIRECTORY | OPEN_NO_FOLLOW | OPEN_CLOSE_ON_EXEC, 0, 0, 0);
    path_close(&path);
    error = opened < 0 ? linux_errno(opened) : linux_file_add(opened, &added);
    if (error == ERRNO_SUCCESS)
        linux_put(result, added, 4);
    return error;
}

/* One system call on a path: number(folder, last, third, fourth). */
static uint32_t on_path(uint32_t descriptor, uint32_t address, uint32_t length, long number, long third, long fourth)
{
    static struct path path;
    uint32_t error = path_open(&path, descriptor, address, length);
    if (error != ERRNO_SUCCESS)
        return error;
    long done = linux_call(number, path.folder, (long)path.last, third, fourth, 0, 0);
    path_close(&path);
    return linux_errno(done);
}

uint32_t WASI(path_create_directory)(uint32_t descriptor, uint32_t path, uint32_t length);
uint32_t WASI(path_create_directory)(uint32_t descriptor, uint32_t path, uint32_t length)
{
    return on_path(descriptor, path, length, SYSCALL_MKDIRAT, 0777, 0);
}

uint32_t WASI(path_remove_directory)(uint32_t descriptor, uint32_t path, uint32_t length);
uint32_t WASI(path_remove_directory)(uint32_t descriptor, uint32_t path, uint32_t length)
{
    return on_path(descriptor, path, length, SYSCALL_UNLINKAT, AT_REMOVE_DIRECTORY, 0);
}

uint32_t WASI(path_unlink_file)(uint32_t descriptor, uint32_t path, uint32_t length);
uint32_t WASI(path_unlink_file)(uint32_t descriptor, uint32_t path, uint32_t length)
{
    return on_path(descriptor, path, length, SYSCALL_UNLINKAT, 0, 0);
}

/* renameat2 and linkat. */
static uint32_t on_two_paths(long number, uint32_t descriptor, uint32_t path, uint32_t length, uint32_t to,
                             uint32_t to_path, uint32_t to_length)
{
    static struct path first, second;
    uint32_t error = path_open(&first, descriptor, path, length);
    if (error != ERRNO_SUCCESS)
        return error;
    error = path_open(&second, to, to_path, to_length);
    if (error == ERRNO_SUCCESS) {
        error = linux_errno(linux_call(number, first.folder, (long)first.last, second.folder, (long)second.last, 0, 0));
        path_close(&second);
    }
    path_close(&first);
    return error;
}

uint32_t WASI(path_rename)(uint32_t descriptor, uint32_t path, uint32_t length, uint32_t to, uint32_t to_path,
                           uint32_t to_length);
uint32_t WASI(path_rename)(uint32_t descriptor, uint32_t path, uint32_t length, uint32_t to, uint32_t to_path,
                           uint32_t to_length)
{
    return on_two_paths(SYSCALL_RENAMEAT2, descriptor, path, length, to, to_path, to_length);
}

uint32_t WASI(path_link)(uint32_t descriptor, uint32_t flags, uint32_t path, uint32_t length, uint32_t to,
                         uint32_t to_path, uint32_t to_length);
uint32_t WASI(path_link)(uint32_t descriptor, uint32_t flags, uint32_t path, uint32_t length, uint32_t to,
                         uint32_t to_path, uint32_t to_length)
{
    (void)flags;
    return on_two_paths(SYSCALL_LINKAT, descriptor, path, length, to, to_path, to_length);
}

uint32_t WASI(path_symlink)(uint32_t target, uint32_t target_length, uint32_t descriptor, uint32_t path,
                            uint32_t length);
uint32_t WASI(path_symlink)(uint32_t target, uint32_t target_length, uint32_t descriptor, uint32_t path,
                            uint32_t length)
{
    static char text[PATH_BYTES];
    static struct path link;
    if (!linux_is_within(target, target_length))
        return ERRNO_FAULT;
    if (target_length >= PATH_BYTES)
        return ERRNO_NAMETOOLONG;
    for (uint32_t i = 0; i < target_length; i++)
        text[i] = (char)linux_memory()[target + i];
    text[target_length] = 0;
    if (text[0] == '/')
        return ERRNO_NOTCAPABLE; /* nobody here follows it, and whoever follows it on the host should not */
    uint32_t error = path_open(&link, descriptor, path, length);
    if (error != ERRNO_SUCCESS)
        return error;
    error = linux_errno(linux_call(SYSCALL_SYMLINKAT, (long)text, link.folder, (long)link.last, 0, 0, 0));
    path_close(&link);
    return error;
}

uint32_t WASI(path_readlink)(uint32_t descriptor, uint32_t path, uint32_t length, uint32_t buffer, uint32_t bytes,
                             uint32_t result);
uint32_t WASI(path_readlink)(uint32_t descriptor, uint32_t path, uint32_t length, uint32_t buffer, uint32_t bytes,
                             uint32_t result)
{
    static struct path link;
    if (!linux_is_within(buffer, bytes) || !linux_is_within(result, 4))
        return ERRNO_FAULT;
    uint32_t error = path_open(&link, descriptor, path, length);
    if (error != ERRNO_SUCCESS)
        return error;
    long got =
        linux_call(SYSCALL_READLINKAT, link.folder, (long)link.last, (long)(linux_memory() + buffer), bytes, 0, 0);
    path_close(&link);
    if (got >= 0)
        linux_put(result, (uint64_t)got, 4);
    return linux_errno(got);
}

uint32_t linux_stat(long folder, const char *name, int flags, uint32_t result);
uint32_t linux_set_times(long folder, const char *name, uint64_t access, uint64_t modification, uint32_t set);

uint32_t WASI(path_filestat_get)(uint32_t descriptor, uint32_t flags, uint32_t address, uint32_t length,
                                 uint32_t result);
uint32_t WASI(path_filestat_get)(uint32_t descriptor, uint32_t flags, uint32_t address, uint32_t length,
                                 uint32_t result)
{
    static struct path path;
    (void)flags;
    uint32_t error = path_open(&path, descriptor, address, length);
    if (error != ERRNO_SUCCESS)
        return error;
    error = linux_stat(path.folder, path.last, AT_NO_FOLLOW, result);
    path_close(&path);
    return error;
}

uint32_t WASI(path_filestat_set_times)(uint32_t descriptor, uint32_t flags, uint32_t address, uint32_t length,
                                       uint64_t access, uint64_t modification, uint32_t set);
uint32_t WASI(path_filestat_set_times)(uint32_t descriptor, uint32_t flags, uint32_t address, uint32_t length,
                                       uint64_t access, uint64_t modification, uint32_t set)
{
    static struct path path;
    (void)flags;
    uint32_t error = path_open(&path, descriptor, address, length);
    if (error != ERRNO_SUCCESS)
        return error;
    error = linux_set_times(path.folder, path.last, access, modification, set);
    path_close(&path);
    return error;
}
