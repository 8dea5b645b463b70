/* Files and directories by WASI's own functions: every call, the errno values of the specification, and that no path
 * leads out of a directory. Preopened: 3 "/home" (to write, empty), 4 "/ro" (to read: fixed.txt, folder/below.txt).
 *
 * It runs on any runtime of WASI preview 1 with these two directories; where the specification leaves a choice, what is
 * expected is what Tessera's docs/files.md says.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wasi/api.h>

#include "demos/lib/check.h"

#define WORK 3
#define RO   4
#define FILE_RIGHTS                                                                                                    \
    (__WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_WRITE | __WASI_RIGHTS_FD_SEEK | __WASI_RIGHTS_FD_TELL |                  \
     __WASI_RIGHTS_FD_FILESTAT_GET | __WASI_RIGHTS_FD_FILESTAT_SET_SIZE | __WASI_RIGHTS_FD_FILESTAT_SET_TIMES |        \
     __WASI_RIGHTS_FD_ALLOCATE | __WASI_RIGHTS_FD_ADVISE | __WASI_RIGHTS_FD_SYNC | __WASI_RIGHTS_FD_DATASYNC |         \
     __WASI_RIGHTS_FD_FDSTAT_SET_FLAGS | __WASI_RIGHTS_POLL_FD_READWRITE)
#define WRITE_RIGHTS (__WASI_RIGHTS_FD_WRITE | __WASI_RIGHTS_FD_FILESTAT_SET_SIZE | __WASI_RIGHTS_FD_ALLOCATE)
#define PATH_RIGHTS                                                                                                    \
    (__WASI_RIGHTS_FD_READDIR | __WASI_RIGHTS_PATH_OPEN | __WASI_RIGHTS_PATH_CREATE_DIRECTORY |                        \
     __WASI_RIGHTS_PATH_CREATE_FILE | __WASI_RIGHTS_PATH_FILESTAT_GET | __WASI_RIGHTS_PATH_LINK_SOURCE |               \
     __WASI_RIGHTS_PATH_LINK_TARGET | __WASI_RIGHTS_PATH_READLINK | __WASI_RIGHTS_PATH_REMOVE_DIRECTORY |              \
     __WASI_RIGHTS_PATH_RENAME_SOURCE | __WASI_RIGHTS_PATH_RENAME_TARGET | __WASI_RIGHTS_PATH_SYMLINK |                \
     __WASI_RIGHTS_PATH_UNLINK_FILE)

static struct check check;
static char big[70000];

static void is(const char *what, uint16_t expected, uint16_t got)
{
    check_u64(&check, what, expected, got);
}

static uint16_t open_at(int directory, const char *path, uint16_t flags, uint64_t rights, __wasi_fd_t *fd)
{
    return __wasi_path_open(directory, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, path, flags, rights, 0, 0, fd);
}

static __wasi_fd_t make(const char *path, const char *text)
{
    __wasi_fd_t fd = 99;
    size_t done;
    __wasi_ciovec_t vector = {(const uint8_t *)text, strlen(text)};
    is(path, 0, open_at(WORK, path, __WASI_OFLAGS_CREAT | __WASI_OFLAGS_TRUNC, FILE_RIGHTS, &fd));
    is("written", 0, __wasi_fd_write(fd, &vector, 1, &done));
    check_u64(&check, "bytes written", strlen(text), done);
    return fd;
}

static void close_fd(__wasi_fd_t fd)
{
    is("close", 0, __wasi_fd_close(fd));
}

static void has(__wasi_fd_t fd, uint64_t offset, const char *expected)
{
    char bytes[64] = {0};
    size_t done = 0;
    __wasi_iovec_t vector = {(uint8_t *)bytes, sizeof(bytes)};
    is("fd_pread", 0, __wasi_fd_pread(fd, &vector, 1, offset, &done));
    check_true(&check, expected, done == strlen(expected) && memcmp(bytes, expected, done) == 0);
}

static uint64_t size_of(__wasi_fd_t fd)
{
    __wasi_filestat_t stat = {0};
    is("fd_filestat_get", 0, __wasi_fd_filestat_get(fd, &stat));
    return stat.size;
}

static void preopens(void)
{
    __wasi_prestat_t stat;
    uint8_t name[16] = {0};
    __wasi_fdstat_t fdstat;
    check_group(&check, "preopens");
    is("fd_prestat_get", 0, __wasi_fd_prestat_get(WORK, &stat));
    check_u64(&check, "length", 5, stat.u.dir.pr_name_len);
    is("fd_prestat_dir_name", 0, __wasi_fd_prestat_dir_name(WORK, name, 5));
    check_true(&check, "name", memcmp(name, "/home", 6) == 0);
    is("fd_prestat_dir_name, too small", __WASI_ERRNO_NAMETOOLONG, __wasi_fd_prestat_dir_name(WORK, name, 4));
    is("fd_prestat_get, the other", 0, __wasi_fd_prestat_get(RO, &stat));
    is("fd_prestat_get, none", __WASI_ERRNO_BADF, __wasi_fd_prestat_get(5, &stat));
    is("fd_fdstat_get", 0, __wasi_fd_fdstat_get(WORK, &fdstat));
    check_u64(&check, "filetype", __WASI_FILETYPE_DIRECTORY, fdstat.fs_filetype);
    check_true(&check, "a directory may not be read", !(fdstat.fs_rights_base & __WASI_RIGHTS_FD_READ));
    check_true(&check, "what is in it may", fdstat.fs_rights_inheriting & __WASI_RIGHTS_FD_READ);
}

static void opening(void)
{
    __wasi_fd_t fd;
    check_group(&check, "path_open");
    is("missing", __WASI_ERRNO_NOENT, open_at(WORK, "missing", 0, FILE_RIGHTS, &fd));
    is("empty path", __WASI_ERRNO_NOENT, open_at(WORK, "", 0, FILE_RIGHTS, &fd));
    close_fd(make("a", "one"));
    is("exclusive", __WASI_ERRNO_EXIST, open_at(WORK, "a", __WASI_OFLAGS_CREAT | __WASI_OFLAGS_EXCL, FILE_RIGHTS, &fd));
    is("as directory", __WASI_ERRNO_NOTDIR, open_at(WORK, "a", __WASI_OFLAGS_DIRECTORY, FILE_RIGHTS, &fd));
    is("below a file", __WASI_ERRNO_NOTDIR, open_at(WORK, "a/b", 0, FILE_RIGHTS, &fd));
    is("file with a slash", __WASI_ERRNO_NOTDIR, open_at(WORK, "a/", 0, FILE_RIGHTS, &fd));
    is("write a directory", __WASI_ERRNO_ISDIR, open_at(WORK, ".", 0, FILE_RIGHTS, &fd));
    is("missing directory on the way", __WASI_ERRNO_NOENT, open_at(WORK, "x/y", __WASI_OFLAGS_CREAT, FILE_RIGHTS, &fd));
    is("not UTF-8", __WASI_ERRNO_ILSEQ, open_at(WORK, "a\xff", 0, FILE_RIGHTS, &fd));
    is("a closed directory", __WASI_ERRNO_BADF, open_at(77, "a", 0, FILE_RIGHTS, &fd));
    is("a stream", __WASI_ERRNO_NOTDIR, open_at(1, "a", 0, FILE_RIGHTS, &fd));
    is("a dot", 0, open_at(WORK, "./././a", 0, FILE_RIGHTS, &fd));
    has(fd, 0, "one");
    close_fd(fd);
    is("truncated", 0, open_at(WORK, "a", __WASI_OFLAGS_TRUNC, FILE_RIGHTS, &fd));
    check_u64(&check, "size", 0, size_of(fd));
    close_fd(fd);
    is("closed twice", __WASI_ERRNO_BADF, __wasi_fd_close(fd));
}

static void offsets(void)
{
    __wasi_filesize_t at = 0;
    size_t done = 0;
    char bytes[8] = {0};
    __wasi_iovec_t vectors[2] = {{(uint8_t *)bytes, 2}, {(uint8_t *)bytes + 2, 3}};
    __wasi_ciovec_t put = {(const uint8_t *)"XY", 2};
    __wasi_fd_t fd = make("offsets", "0123456789");
    check_group(&check, "reading and writing");
    is("fd_tell", 0, __wasi_fd_tell(fd, &at));
    check_u64(&check, "offset", 10, at);
    is("fd_seek, set", 0, __wasi_fd_seek(fd, 2, __WASI_WHENCE_SET, &at));
    is("fd_read", 0, __wasi_fd_read(fd, vectors, 2, &done));
    check_true(&check, "scattered", done == 5 && memcmp(bytes, "23456", 5) == 0);
    is("fd_seek, current", 0, __wasi_fd_seek(fd, -3, __WASI_WHENCE_CUR, &at));
    check_u64(&check, "offset", 4, at);
    is("fd_seek, end", 0, __wasi_fd_seek(fd, -1, __WASI_WHENCE_END, &at));
    check_u64(&check, "offset", 9, at);
    is("before the beginning", __WASI_ERRNO_INVAL, __wasi_fd_seek(fd, -11, __WASI_WHENCE_END, &at));
    is("whence", __WASI_ERRNO_INVAL, __wasi_fd_seek(fd, 0, 9, &at));
    is("fd_pwrite", 0, __wasi_fd_pwrite(fd, &put, 1, 4, &done));
    has(fd, 0, "0123XY6789");
    is("fd_tell, as before", 0, __wasi_fd_tell(fd, &at));
    check_u64(&check, "offset", 9, at);
    is("beyond the end", 0, __wasi_fd_pwrite(fd, &put, 1, 5000, &done));
    check_u64(&check, "size", 5002, size_of(fd));
    has(fd, 5000, "XY");
    is("a hole", 0, __wasi_fd_pread(fd, vectors, 1, 4000, &done));
    check_true(&check, "reads zeros", done == 2 && bytes[0] == 0 && bytes[1] == 0);
    is("behind the end", 0, __wasi_fd_pread(fd, vectors, 1, 6000, &done));
    check_u64(&check, "reads nothing", 0, done);
    is("a stream has no offsets", __WASI_ERRNO_SPIPE, __wasi_fd_seek(1, 0, __WASI_WHENCE_SET, &at));
    close_fd(fd);
}

static void large(void)
{
    size_t done = 0;
    __wasi_ciovec_t put = {(const uint8_t *)big, sizeof(big)};
    __wasi_iovec_t get = {(uint8_t *)big, sizeof(big)};
    __wasi_fd_t fd = make("large", "");
    bool is_right = true;
    check_group(&check, "more than a window");
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 7 + i / 256);
    for (unsigned i = 0; i < 5; i++) {
        is("fd_write", 0, __wasi_fd_write(fd, &put, 1, &done));
        check_u64(&check, "bytes", sizeof(big), done);
    }
    check_u64(&check, "size", 5 * sizeof(big), size_of(fd));
    memset(big, 0, sizeof(big));
    is("fd_pread", 0, __wasi_fd_pread(fd, &get, 1, 2 * sizeof(big), &done));
    check_u64(&check, "bytes", sizeof(big), done);
    for (size_t i = 0; i < sizeof(big); i++)
        is_right = is_right && big[i] == (char)(i * 7 + i / 256);
    check_true(&check, "as written", is_right);
    close_fd(fd);
    is("removed", 0, __wasi_path_unlink_file(WORK, "large"));
}

static void appending(void)
{
    __wasi_fd_t fd;
    size_t done;
    __wasi_filesize_t at;
    __wasi_fdstat_t stat;
    __wasi_ciovec_t put = {(const uint8_t *)"end", 3};
    check_group(&check, "append");
    close_fd(make("log", "begin "));
    is("path_open", 0, __wasi_path_open(WORK, 0, "log", 0, FILE_RIGHTS, 0, __WASI_FDFLAGS_APPEND, &fd));
    is("fd_seek", 0, __wasi_fd_seek(fd, 0, __WASI_WHENCE_SET, &at));
    is("fd_write", 0, __wasi_fd_write(fd, &put, 1, &done));
    has(fd, 0, "begin end");
    is("fd_fdstat_get", 0, __wasi_fd_fdstat_get(fd, &stat));
    check_u64(&check, "flags", __WASI_FDFLAGS_APPEND, stat.fs_flags);
    is("fd_fdstat_set_flags", 0, __wasi_fd_fdstat_set_flags(fd, 0));
    is("fd_seek", 0, __wasi_fd_seek(fd, 0, __WASI_WHENCE_SET, &at));
    is("fd_write, in front", 0, __wasi_fd_write(fd, &put, 1, &done));
    has(fd, 0, "endin end");
    close_fd(fd);
}

/* Each flag opens and works, and takes the right that the specification wants of the directory. */
static void syncing(void)
{
    static const struct {
        uint16_t flags;
        uint64_t right;
    } cases[] = {
        {__WASI_FDFLAGS_DSYNC, __WASI_RIGHTS_FD_DATASYNC},
        {__WASI_FDFLAGS_SYNC, __WASI_RIGHTS_FD_SYNC},
        {__WASI_FDFLAGS_RSYNC, __WASI_RIGHTS_FD_SYNC},
        {__WASI_FDFLAGS_RSYNC | __WASI_FDFLAGS_DSYNC, __WASI_RIGHTS_FD_SYNC | __WASI_RIGHTS_FD_DATASYNC},
    };
    __wasi_ciovec_t put = {(const uint8_t *)"kept", 4};
    check_group(&check, "sync");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        __wasi_fd_t fd, directory;
        __wasi_fdstat_t stat;
        size_t done;
        is("path_open", 0, __wasi_path_open(WORK, 0, "sync", __WASI_OFLAGS_CREAT, FILE_RIGHTS, 0, cases[i].flags, &fd));
        is("fd_fdstat_get", 0, __wasi_fd_fdstat_get(fd, &stat));
        check_u64(&check, "flags", cases[i].flags, stat.fs_flags);
        is("fd_write", 0, __wasi_fd_write(fd, &put, 1, &done));
        has(fd, 0, "kept");
        close_fd(fd);
        uint64_t rights =
            (__WASI_RIGHTS_PATH_OPEN | __WASI_RIGHTS_FD_SYNC | __WASI_RIGHTS_FD_DATASYNC) & ~cases[i].right;
        is("a directory", 0,
           __wasi_path_open(WORK, 0, ".", __WASI_OFLAGS_DIRECTORY, rights, FILE_RIGHTS, 0, &directory));
        is("without the right", __WASI_ERRNO_NOTCAPABLE,
           __wasi_path_open(directory, 0, "sync", 0, FILE_RIGHTS, 0, cases[i].flags, &fd));
        is("without the flag", 0, __wasi_path_open(directory, 0, "sync", 0, FILE_RIGHTS, 0, 0, &fd));
        is("fd_fdstat_set_flags", 0, __wasi_fd_fdstat_set_flags(fd, cases[i].flags));
        is("fd_write", 0, __wasi_fd_write(fd, &put, 1, &done));
        close_fd(fd);
        close_fd(directory);
    }
    is("removed", 0, __wasi_path_unlink_file(WORK, "sync"));
}

static void sizes(void)
{
    __wasi_fd_t fd = make("sizes", "abcdef");
    check_group(&check, "sizes");
    is("fd_filestat_set_size, less", 0, __wasi_fd_filestat_set_size(fd, 3));
    has(fd, 0, "abc");
    is("fd_filestat_set_size, more", 0, __wasi_fd_filestat_set_size(fd, 6));
    check_u64(&check, "size", 6, size_of(fd));
    is("fd_allocate", 0, __wasi_fd_allocate(fd, 0, 9000));
    check_u64(&check, "size", 9000, size_of(fd));
    is("fd_allocate, inside", 0, __wasi_fd_allocate(fd, 10, 10));
    check_u64(&check, "size", 9000, size_of(fd));
    is("fd_allocate, nothing", __WASI_ERRNO_INVAL, __wasi_fd_allocate(fd, 0, 0));
    is("fd_filestat_set_size, negative", __WASI_ERRNO_INVAL, __wasi_fd_filestat_set_size(fd, 1ull << 63));
    is("fd_advise", 0, __wasi_fd_advise(fd, 0, 10, __WASI_ADVICE_WILLNEED));
    is("fd_advise, none", __WASI_ERRNO_INVAL, __wasi_fd_advise(fd, 0, 10, 9));
    is("fd_sync", 0, __wasi_fd_sync(fd));
    is("fd_datasync", 0, __wasi_fd_datasync(fd));
    close_fd(fd);
}

static void times(void)
{
    __wasi_filestat_t stat;
    __wasi_fd_t fd = make("times", "x");
    check_group(&check, "times");
    is("fd_filestat_set_times", 0,
       __wasi_fd_filestat_set_times(fd, 1000000000, 2000000000, __WASI_FSTFLAGS_ATIM | __WASI_FSTFLAGS_MTIM));
    is("fd_filestat_get", 0, __wasi_fd_filestat_get(fd, &stat));
    check_u64(&check, "accessed", 1000000000, stat.atim);
    check_u64(&check, "modified", 2000000000, stat.mtim);
    is("both ways", __WASI_ERRNO_INVAL,
       __wasi_fd_filestat_set_times(fd, 0, 0, __WASI_FSTFLAGS_ATIM | __WASI_FSTFLAGS_ATIM_NOW));
    is("path_filestat_set_times", 0,
       __wasi_path_filestat_set_times(WORK, 0, "times", 0, 3000000000, __WASI_FSTFLAGS_MTIM));
    is("path_filestat_get", 0, __wasi_path_filestat_get(WORK, 0, "times", &stat));
    check_u64(&check, "accessed, as before", 1000000000, stat.atim);
    check_u64(&check, "modified", 3000000000, stat.mtim);
    check_u64(&check, "filetype", __WASI_FILETYPE_REGULAR_FILE, stat.filetype);
    check_u64(&check, "links", 1, stat.nlink);
    is("missing", __WASI_ERRNO_NOENT, __wasi_path_filestat_get(WORK, 0, "missing", &stat));
    close_fd(fd);
}

/* Names of a directory, sorted out by one bit each: ".", "..", and single letters. */
static uint32_t listed(__wasi_fd_t fd, size_t step, unsigned *count)
{
    uint8_t buffer[256];
    uint32_t found = 0;
    uint64_t cookie = 0;
    size_t used = step;
    *count = 0;
    while (used == step) {
        is("fd_readdir", 0, __wasi_fd_readdir(fd, buffer, step, cookie, &used));
        for (size_t at = 0; at + sizeof(__wasi_dirent_t) <= used;) {
            __wasi_dirent_t entry;
            memcpy(&entry, buffer + at, sizeof(entry));
            at += sizeof(entry) + entry.d_namlen;
            if (at > used)
                break; /* cut: it comes again */
            const char *name = (const char *)buffer + at - entry.d_namlen;
            found |= entry.d_namlen == 2 ? 2 : name[0] == '.' ? 1 : 4u << (name[0] - 'a');
            cookie = entry.d_next;
            ++*count;
        }
    }
    return found;
}

static void directories(void)
{
    __wasi_fd_t fd, inner;
    unsigned count;
    size_t used;
    uint8_t buffer[64];
    check_group(&check, "directories");
    is("path_create_directory", 0, __wasi_path_create_directory(WORK, "d"));
    is("again", __WASI_ERRNO_EXIST, __wasi_path_create_directory(WORK, "d"));
    is("below nothing", __WASI_ERRNO_NOENT, __wasi_path_create_directory(WORK, "x/y"));
    is("with a slash", 0, __wasi_path_create_directory(WORK, "d/a/"));
    close_fd(make("d/b", "b"));
    close_fd(make("d/c", "c"));
    is("open", 0,
       __wasi_path_open(WORK, 0, "d", __WASI_OFLAGS_DIRECTORY, __WASI_RIGHTS_FD_READDIR | __WASI_RIGHTS_PATH_OPEN,
                        FILE_RIGHTS, 0, &fd));
    check_u64(&check, "entries at once", 4 + 8 + 16 + 3, listed(fd, 256, &count));
    check_u64(&check, "count", 5, count);
    check_u64(&check, "entries in small buffers", 4 + 8 + 16 + 3, listed(fd, 40, &count));
    check_u64(&check, "count", 5, count);
    is("relative to it", 0, open_at((int)fd, "b", 0, __WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_SEEK, &inner));
    has(inner, 0, "b");
    is("a file is no directory", __WASI_ERRNO_NOTDIR, __wasi_fd_readdir(inner, buffer, 64, 0, &used));
    close_fd(inner);
    is("not empty", __WASI_ERRNO_NOTEMPTY, __wasi_path_remove_directory(WORK, "d"));
    is("unlink a directory", __WASI_ERRNO_ISDIR, __wasi_path_unlink_file(WORK, "d"));
    is("remove a file as directory", __WASI_ERRNO_NOTDIR, __wasi_path_remove_directory(WORK, "d/b"));
    is("unlink", 0, __wasi_path_unlink_file(WORK, "d/b"));
    is("unlink again", __WASI_ERRNO_NOENT, __wasi_path_unlink_file(WORK, "d/b"));
    is("unlink", 0, __wasi_path_unlink_file(WORK, "d/c"));
    is("remove", 0, __wasi_path_remove_directory(WORK, "d/a"));
    is("remove", 0, __wasi_path_remove_directory(WORK, "d"));
    is("in a removed directory", __WASI_ERRNO_NOTCAPABLE,
       open_at((int)fd, "new", __WASI_OFLAGS_CREAT, FILE_RIGHTS, &inner));
    is("nothing is in it", 0, __wasi_fd_readdir(fd, buffer, 64, 2, &used));
    check_u64(&check, "bytes", 0, used);
    close_fd(fd);
}

static void unlinked(void)
{
    __wasi_fd_t fd = make("gone", "still here");
    __wasi_filestat_t stat;
    check_group(&check, "unlinked and open");
    is("unlink", 0, __wasi_path_unlink_file(WORK, "gone"));
    has(fd, 0, "still here");
    is("fd_filestat_get", 0, __wasi_fd_filestat_get(fd, &stat));
    check_u64(&check, "links", 0, stat.nlink);
    close_fd(fd);
}

static void renaming(void)
{
    __wasi_fd_t fd;
    check_group(&check, "path_rename");
    close_fd(make("from", "from"));
    close_fd(make("to", "to"));
    is("over a file", 0, __wasi_path_rename(WORK, "from", WORK, "to"));
    is("old name", __WASI_ERRNO_NOENT, open_at(WORK, "from", 0, FILE_RIGHTS, &fd));
    is("new name", 0, open_at(WORK, "to", 0, FILE_RIGHTS, &fd));
    has(fd, 0, "from");
    close_fd(fd);
    is("onto itself", 0, __wasi_path_rename(WORK, "to", WORK, "to"));
    is("missing", __WASI_ERRNO_NOENT, __wasi_path_rename(WORK, "missing", WORK, "to"));
    is("directory", 0, __wasi_path_create_directory(WORK, "p"));
    is("directory", 0, __wasi_path_create_directory(WORK, "p/q"));
    is("below itself", __WASI_ERRNO_INVAL, __wasi_path_rename(WORK, "p", WORK, "p/q/r"));
    is("file over directory", __WASI_ERRNO_ISDIR, __wasi_path_rename(WORK, "to", WORK, "p"));
    is("directory over file", __WASI_ERRNO_NOTDIR, __wasi_path_rename(WORK, "p", WORK, "to"));
    is("directory over a full one", __WASI_ERRNO_NOTEMPTY, __wasi_path_rename(WORK, "p/q", WORK, "p"));
    is("into a directory", 0, __wasi_path_rename(WORK, "to", WORK, "p/q/to"));
    is("a directory", 0, __wasi_path_rename(WORK, "p/q", WORK, "r"));
    is("it is there", 0, open_at(WORK, "r/to", 0, FILE_RIGHTS, &fd));
    close_fd(fd);
    is("over an empty directory", 0, __wasi_path_rename(WORK, "r", WORK, "p"));
    is("it is there", 0, open_at(WORK, "p/to", 0, FILE_RIGHTS, &fd));
    close_fd(fd);
    is("unlink", 0, __wasi_path_unlink_file(WORK, "p/to"));
    is("remove", 0, __wasi_path_remove_directory(WORK, "p"));
}

static void linking(void)
{
    __wasi_fd_t fd;
    __wasi_filestat_t one, two;
    check_group(&check, "path_link");
    close_fd(make("first", "same"));
    is("path_link", 0, __wasi_path_link(WORK, 0, "first", WORK, "second"));
    is("path_filestat_get", 0, __wasi_path_filestat_get(WORK, 0, "first", &one));
    is("path_filestat_get", 0, __wasi_path_filestat_get(WORK, 0, "second", &two));
    check_u64(&check, "one file", one.ino, two.ino);
    check_u64(&check, "two names", 2, two.nlink);
    is("to a name that is there", __WASI_ERRNO_EXIST, __wasi_path_link(WORK, 0, "first", WORK, "second"));
    is("of nothing", __WASI_ERRNO_NOENT, __wasi_path_link(WORK, 0, "missing", WORK, "third"));
    is("of a directory", __WASI_ERRNO_PERM, __wasi_path_link(WORK, 0, ".", WORK, "third"));
    is("unlink", 0, __wasi_path_unlink_file(WORK, "first"));
    is("the other stays", 0, open_at(WORK, "second", 0, FILE_RIGHTS, &fd));
    has(fd, 0, "same");
    close_fd(fd);
    is("unlink", 0, __wasi_path_unlink_file(WORK, "second"));
}

static void symbolic(void)
{
    uint8_t target[32] = {0};
    size_t used = 0;
    __wasi_fd_t fd;
    __wasi_filestat_t stat;
    check_group(&check, "symbolic links");
    close_fd(make("real", "real"));
    is("path_symlink", 0, __wasi_path_symlink("real", WORK, "link"));
    is("again", __WASI_ERRNO_EXIST, __wasi_path_symlink("real", WORK, "link"));
    is("path_readlink", 0, __wasi_path_readlink(WORK, "link", target, 32, &used));
    check_true(&check, "target", used == 4 && memcmp(target, "real", 4) == 0);
    is("path_readlink, cut", 0, __wasi_path_readlink(WORK, "link", target, 2, &used));
    check_u64(&check, "bytes", 2, used);
    is("path_readlink of a file", __WASI_ERRNO_INVAL, __wasi_path_readlink(WORK, "real", target, 32, &used));
    is("followed", 0, open_at(WORK, "link", 0, FILE_RIGHTS, &fd));
    has(fd, 0, "real");
    close_fd(fd);
    is("not followed", __WASI_ERRNO_LOOP, __wasi_path_open(WORK, 0, "link", 0, FILE_RIGHTS, 0, 0, &fd));
    is("stat", 0, __wasi_path_filestat_get(WORK, 0, "link", &stat));
    check_u64(&check, "filetype", __WASI_FILETYPE_SYMBOLIC_LINK, stat.filetype);
    is("stat, followed", 0, __wasi_path_filestat_get(WORK, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, "link", &stat));
    check_u64(&check, "filetype", __WASI_FILETYPE_REGULAR_FILE, stat.filetype);
    is("dangling", 0, __wasi_path_symlink("nowhere", WORK, "dangling"));
    is("followed to nothing", __WASI_ERRNO_NOENT, open_at(WORK, "dangling", 0, FILE_RIGHTS, &fd));
    is("a loop", 0, __wasi_path_symlink("loop", WORK, "loop"));
    is("followed for ever", __WASI_ERRNO_LOOP, open_at(WORK, "loop", 0, FILE_RIGHTS, &fd));
    is("unlink takes the link", 0, __wasi_path_unlink_file(WORK, "link"));
    is("unlink", 0, __wasi_path_unlink_file(WORK, "dangling"));
    is("unlink", 0, __wasi_path_unlink_file(WORK, "loop"));
    is("the file stays", 0, __wasi_path_unlink_file(WORK, "real"));
}

static void refused(const char *path)
{
    __wasi_fd_t fd;
    __wasi_filestat_t stat;
    is(path, __WASI_ERRNO_NOTCAPABLE, open_at(WORK, path, 0, FILE_RIGHTS, &fd));
    is(path, __WASI_ERRNO_NOTCAPABLE, open_at(WORK, path, __WASI_OFLAGS_CREAT, FILE_RIGHTS, &fd));
    is(path, __WASI_ERRNO_NOTCAPABLE, __wasi_path_filestat_get(WORK, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, path, &stat));
}

static void confined(void)
{
    __wasi_fd_t fd, inner;
    check_group(&check, "no way out");
    is("directory", 0, __wasi_path_create_directory(WORK, "in"));
    is("directory", 0, __wasi_path_create_directory(WORK, "in/deep"));
    close_fd(make("in/file", "inside"));
    refused("/");
    refused("/home/in/file");
    refused("..");
    refused("../ro/fixed.txt");
    refused("in/../../ro/fixed.txt");
    refused("./in/deep/../../../x");
    is("inside it is allowed", 0, open_at(WORK, "in/deep/../file", 0, FILE_RIGHTS, &fd));
    close_fd(fd);
    is("link up", 0, __wasi_path_symlink("../ro", WORK, "up"));
    is("link to it", 0, __wasi_path_symlink("up", WORK, "upper"));
    is("link from below", 0, __wasi_path_symlink("../../..", WORK, "in/deep/out"));
    refused("up");
    refused("up/fixed.txt");
    refused("upper/fixed.txt");
    refused("in/deep/out/etc");
    is("an absolute target", __WASI_ERRNO_NOTCAPABLE, __wasi_path_symlink("/etc/passwd", WORK, "absolute"));
    is("a link that stays inside", 0, __wasi_path_symlink("../file", WORK, "in/deep/ok"));
    is("followed", 0, open_at(WORK, "in/deep/ok", 0, FILE_RIGHTS, &fd));
    close_fd(fd);
    is("a directory of its own", 0,
       __wasi_path_open(WORK, 0, "in/deep", __WASI_OFLAGS_DIRECTORY, __WASI_RIGHTS_PATH_OPEN, FILE_RIGHTS, 0, &inner));
    is("is the end of the world", __WASI_ERRNO_NOTCAPABLE, open_at((int)inner, "../file", 0, FILE_RIGHTS, &fd));
    is("for links too", __WASI_ERRNO_NOTCAPABLE, open_at((int)inner, "ok", 0, FILE_RIGHTS, &fd));
    close_fd(inner);
    is("rename out", __WASI_ERRNO_NOTCAPABLE, __wasi_path_rename(WORK, "in/file", WORK, "../ro/x"));
    is("link out", __WASI_ERRNO_NOTCAPABLE, __wasi_path_link(WORK, 0, "in/file", WORK, "../ro/x"));
    is("remove above", __WASI_ERRNO_NOTCAPABLE, __wasi_path_remove_directory(WORK, "../ro/folder"));
}

static void read_only(void)
{
    __wasi_fd_t fd;
    size_t done;
    __wasi_ciovec_t put = {(const uint8_t *)"x", 1};
    __wasi_fdstat_t stat;
    check_group(&check, "read-only");
    is("open", 0,
       open_at(RO, "fixed.txt", 0, __WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_SEEK | __WASI_RIGHTS_FD_FILESTAT_GET, &fd));
    has(fd, 0, "twenty bytes of text");
    check_u64(&check, "size", 20, size_of(fd));
    is("write", __WASI_ERRNO_NOTCAPABLE, __wasi_fd_write(fd, &put, 1, &done));
    close_fd(fd);
    is("to write", __WASI_ERRNO_NOTCAPABLE, open_at(RO, "fixed.txt", 0, __WASI_RIGHTS_FD_WRITE, &fd));
    is("truncate", __WASI_ERRNO_NOTCAPABLE, open_at(RO, "fixed.txt", __WASI_OFLAGS_TRUNC, __WASI_RIGHTS_FD_READ, &fd));
    is("create", __WASI_ERRNO_NOTCAPABLE, open_at(RO, "new", __WASI_OFLAGS_CREAT, __WASI_RIGHTS_FD_READ, &fd));
    is("unlink", __WASI_ERRNO_NOTCAPABLE, __wasi_path_unlink_file(RO, "fixed.txt"));
    is("directory", __WASI_ERRNO_NOTCAPABLE, __wasi_path_create_directory(RO, "new"));
    is("rename", __WASI_ERRNO_NOTCAPABLE, __wasi_path_rename(RO, "fixed.txt", WORK, "x"));
    is("fd_fdstat_get", 0, __wasi_fd_fdstat_get(RO, &stat));
    check_true(&check, "its rights say so", !(stat.fs_rights_base & __WASI_RIGHTS_PATH_UNLINK_FILE));
    is("below", 0, open_at(RO, "folder/below.txt", 0, __WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_SEEK, &fd));
    has(fd, 0, "below\n");
    close_fd(fd);
}

static void rights(void)
{
    size_t done;
    uint8_t byte;
    __wasi_iovec_t get = {&byte, 1};
    __wasi_ciovec_t put = {&byte, 1};
    __wasi_fdstat_t stat;
    __wasi_filesize_t at;
    __wasi_fd_t fd, new;
    check_group(&check, "rights");
    close_fd(make("rights", "r"));
    is("to read, not to seek", 0, open_at(WORK, "rights", 0, __WASI_RIGHTS_FD_READ, &fd));
    is("pread", __WASI_ERRNO_NOTCAPABLE, __wasi_fd_pread(fd, &get, 1, 0, &done));
    is("seek", __WASI_ERRNO_NOTCAPABLE, __wasi_fd_seek(fd, 0, __WASI_WHENCE_SET, &at));
    close_fd(fd);
    is("to write only", 0, open_at(WORK, "rights", 0, __WASI_RIGHTS_FD_WRITE, &fd));
    is("read", __WASI_ERRNO_NOTCAPABLE, __wasi_fd_read(fd, &get, 1, &done));
    is("stat", __WASI_ERRNO_NOTCAPABLE, __wasi_fd_filestat_set_times(fd, 0, 0, 0));
    close_fd(fd);
    is("open", 0, open_at(WORK, "rights", 0, FILE_RIGHTS, &fd));
    is("fewer", 0, __wasi_fd_fdstat_set_rights(fd, __WASI_RIGHTS_FD_READ, 0));
    is("write", __WASI_ERRNO_NOTCAPABLE, __wasi_fd_write(fd, &put, 1, &done));
    is("not back", __WASI_ERRNO_NOTCAPABLE, __wasi_fd_fdstat_set_rights(fd, FILE_RIGHTS, 0));
    is("read", 0, __wasi_fd_read(fd, &get, 1, &done));
    close_fd(fd);
    is("more than is inherited", __WASI_ERRNO_NOTCAPABLE, open_at(WORK, "rights", 0, __WASI_RIGHTS_SOCK_SHUTDOWN, &fd));
    is("fd_fdstat_get", 0, __wasi_fd_fdstat_get(WORK, &stat));
    is("unlink", 0, __wasi_path_unlink_file(WORK, "rights"));
    /* Rust's library asks for these of whatever it reads; what they allow is refused when it is done. */
    is("to read, as Rust does", 0, open_at(RO, "fixed.txt", 0, (FILE_RIGHTS & ~WRITE_RIGHTS) | PATH_RIGHTS, &fd));
    is("times", __WASI_ERRNO_NOTCAPABLE, __wasi_fd_filestat_set_times(fd, 0, 0, __WASI_FSTFLAGS_MTIM_NOW));
    close_fd(fd);
    is("a directory, as Rust does", 0,
       __wasi_path_open(RO, 0, "folder", 0, PATH_RIGHTS, __WASI_RIGHTS_FD_READ, 0, &fd));
    is("a new file in it", __WASI_ERRNO_NOTCAPABLE,
       open_at((int)fd, "new", __WASI_OFLAGS_CREAT, __WASI_RIGHTS_FD_READ, &new));
    is("a new directory in it", __WASI_ERRNO_NOTCAPABLE, __wasi_path_create_directory((int)fd, "new"));
    is("removing", __WASI_ERRNO_NOTCAPABLE, __wasi_path_unlink_file((int)fd, "below.txt"));
    close_fd(fd);
    is("to write", __WASI_ERRNO_NOTCAPABLE, open_at(RO, "fixed.txt", 0, __WASI_RIGHTS_FD_WRITE, &fd));
    is("to shorten", __WASI_ERRNO_NOTCAPABLE,
       open_at(RO, "fixed.txt", __WASI_OFLAGS_TRUNC, __WASI_RIGHTS_FD_READ, &fd));
}

static void renumbering(void)
{
    __wasi_fd_t a = make("ra", "a"), b = make("rb", "b");
    check_group(&check, "fd_renumber");
    is("fd_renumber", 0, __wasi_fd_renumber(a, b));
    has(b, 0, "a");
    is("the old one is closed", __WASI_ERRNO_BADF, __wasi_fd_close(a));
    is("to a closed one", __WASI_ERRNO_BADF, __wasi_fd_renumber(b, 77));
    close_fd(b);
}

static void polling(void)
{
    __wasi_fd_t fd = make("poll", "12345");
    __wasi_filesize_t at;
    __wasi_subscription_t in = {.userdata = 7};
    __wasi_event_t out;
    size_t count = 0;
    check_group(&check, "poll_oneoff");
    is("fd_seek", 0, __wasi_fd_seek(fd, 2, __WASI_WHENCE_SET, &at));
    in.u.tag = __WASI_EVENTTYPE_FD_READ;
    in.u.u.fd_read.file_descriptor = fd;
    is("poll_oneoff", 0, __wasi_poll_oneoff(&in, &out, 1, &count));
    check_true(&check, "a file is ready", count == 1 && out.userdata == 7 && out.error == 0);
    check_u64(&check, "bytes to read", 3, out.fd_readwrite.nbytes);
    close_fd(fd);
}

static void standard_library(void)
{
    char line[32] = {0};
    check_group(&check, "stdio");
    FILE *file = fopen("/home/stdio.txt", "w");
    check_true(&check, "fopen", file != NULL);
    if (!file)
        return;
    check_true(&check, "fprintf", fprintf(file, "line %d\nline %d\n", 1, 2) == 14);
    check_true(&check, "fclose", fclose(file) == 0);
    file = fopen("/home/stdio.txt", "r+");
    check_true(&check, "fgets", file && fgets(line, sizeof(line), file) && strcmp(line, "line 1\n") == 0);
    check_true(&check, "fseek", fseek(file, -2, SEEK_END) == 0 && fgetc(file) == '2');
    check_true(&check, "fclose", fclose(file) == 0);
    check_true(&check, "remove", remove("/home/stdio.txt") == 0);
    check_true(&check, "the other directory", (file = fopen("/ro/folder/below.txt", "r")) && fclose(file) == 0);
    check_true(&check, "no other", fopen("/elsewhere/x", "r") == NULL);
}

int main(void)
{
    preopens();
    opening();
    offsets();
    large();
    appending();
    syncing();
    sizes();
    times();
    directories();
    unlinked();
    renaming();
    linking();
    symbolic();
    confined();
    read_only();
    rights();
    renumbering();
    polling();
    standard_library();
    return check_finish(&check, "files");
}
