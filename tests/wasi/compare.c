/* What every function on files answers, in hundreds of situations, one line each: to be compared with another runtime's
 * answers (compare.py). Nothing is judged here. Preopened: 3 "/home" (to write, empty), 4 "/ro" (to read: fixed.txt,
 * folder/below.txt).
 *
 *     CALL SITUATION: ERRNO [VALUE]
 *
 * Times, inodes and rights are left out: they may differ. `compare avoid` leaves out what Node's WASI hangs after
 * (uvwasi keeps a lock): setting a time that is both given and now.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

#define WORK   3
#define RO     4
#define CLOSED 77
#define FILE_RIGHTS                                                                                                    \
    (__WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_WRITE | __WASI_RIGHTS_FD_SEEK | __WASI_RIGHTS_FD_TELL |                  \
     __WASI_RIGHTS_FD_FILESTAT_GET | __WASI_RIGHTS_FD_FILESTAT_SET_SIZE | __WASI_RIGHTS_FD_FILESTAT_SET_TIMES |        \
     __WASI_RIGHTS_FD_ALLOCATE | __WASI_RIGHTS_FD_ADVISE | __WASI_RIGHTS_FD_SYNC | __WASI_RIGHTS_FD_DATASYNC |         \
     __WASI_RIGHTS_FD_FDSTAT_SET_FLAGS)
#define READ_RIGHTS                                                                                                    \
    (__WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_SEEK | __WASI_RIGHTS_FD_TELL | __WASI_RIGHTS_FD_FILESTAT_GET |           \
     __WASI_RIGHTS_FD_READDIR | __WASI_RIGHTS_FD_ADVISE)

static char long_name[257], longest_name[256];

/* ---- one tree, made anew for each call that may change it ---- */

static const char *const paths[] = {
    "",           ".",          "./",        "..",        "/",          "/home",       "a",        "a/",
    "a/.",        "a/b",        "./a",       "dir/../a",  "dir//inner", "dir/./inner", "dir",      "dir/",
    "dir/.",      "dir/..",     "dir/../..", "dir/inner", "empty",      "empty/",      "missing",  "missing/",
    "missing/x",  "missing/..", "link",      "link/",     "link/x",     "dirlink",     "dirlink/", "dirlink/inner",
    "dirlink/..", "chain",      "dangling",  "dangling/", "loop",       "loop/x",      long_name,  longest_name,
    "a\xff",      "\xc3\xa4",
};
#define PATHS (sizeof(paths) / sizeof(paths[0]))

static __wasi_errno_t open_at(int directory, const char *path, uint16_t oflags, uint64_t rights, uint16_t flags,
                              __wasi_fd_t *fd)
{
    return __wasi_path_open(directory, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, path, oflags, rights, READ_RIGHTS, flags, fd);
}

static void must(const char *what, __wasi_errno_t error)
{
    if (error == 0)
        return;
    printf("compare: %s: %d\n", what, error);
    exit(1);
}

static void file_make(const char *path, const char *text)
{
    __wasi_fd_t fd;
    size_t done;
    __wasi_ciovec_t vector = {(const uint8_t *)text, strlen(text)};
    must(path, open_at(WORK, path, __WASI_OFLAGS_CREAT | __WASI_OFLAGS_TRUNC, FILE_RIGHTS, 0, &fd));
    must(path, __wasi_fd_write(fd, &vector, 1, &done));
    must(path, __wasi_fd_close(fd));
}

/* Names that any of the calls may have left. */
static void tree_remove(void)
{
    static const char *const names[] = {"a",         "link",     "dirlink",   "chain",    "dangling", "loop",
                                        "made",      "target",   "missing",   "empty",    long_name,  longest_name,
                                        "dir/inner", "dir/made", "dir/moved", "\xc3\xa4", "a\xff",    "nowhere"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (__wasi_path_unlink_file(WORK, names[i]) != 0)
            (void)__wasi_path_remove_directory(WORK, names[i]);
    (void)__wasi_path_remove_directory(WORK, "dir");
    (void)__wasi_path_unlink_file(WORK, "target/inner"); /* where dir was moved to */
    (void)__wasi_path_remove_directory(WORK, "target");
}

static void tree_make(void)
{
    tree_remove();
    file_make("a", "content");
    must("dir", __wasi_path_create_directory(WORK, "dir"));
    must("empty", __wasi_path_create_directory(WORK, "empty"));
    file_make("dir/inner", "inside");
    must("link", __wasi_path_symlink("a", WORK, "link"));
    must("dirlink", __wasi_path_symlink("dir", WORK, "dirlink"));
    must("chain", __wasi_path_symlink("link", WORK, "chain"));
    must("dangling", __wasi_path_symlink("nowhere", WORK, "dangling"));
    must("loop", __wasi_path_symlink("loop", WORK, "loop"));
}

static void say(const char *call, const char *path, __wasi_errno_t error, long long value)
{
    const char *shown = path == long_name ? "NAME256" : path == longest_name ? "NAME255" : path;
    printf("= %s '", call);
    for (; *shown; shown++)
        if (*shown & 0x80)
            printf("\\x%02x", (unsigned char)*shown);
        else
            putchar(*shown);
    printf("': %d", error);
    if (error == 0 && value >= 0)
        printf(" %lld", value);
    printf("\n");
}

/* ---- calls with a path ---- */

static long long size_of(__wasi_fd_t fd)
{
    __wasi_filestat_t stat;
    if (__wasi_fd_filestat_get(fd, &stat) != 0)
        return 999999;
    return stat.filetype == __WASI_FILETYPE_DIRECTORY ? 888888 : (long long)stat.size;
}

static void opens(void)
{
    static const struct {
        const char *name;
        uint16_t oflags;
        uint64_t rights;
    } ways[] = {
        {"open read", 0, READ_RIGHTS},
        {"open write", 0, FILE_RIGHTS},
        {"open directory", __WASI_OFLAGS_DIRECTORY, __WASI_RIGHTS_FD_READDIR},
        {"open creat", __WASI_OFLAGS_CREAT, FILE_RIGHTS},
        {"open creat excl", __WASI_OFLAGS_CREAT | __WASI_OFLAGS_EXCL, FILE_RIGHTS},
        {"open trunc", __WASI_OFLAGS_TRUNC, FILE_RIGHTS},
        {"open creat trunc", __WASI_OFLAGS_CREAT | __WASI_OFLAGS_TRUNC, FILE_RIGHTS},
    };
    for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++)
        for (size_t i = 0; i < PATHS; i++) {
            __wasi_fd_t fd;
            tree_make();
            __wasi_errno_t error = open_at(WORK, paths[i], ways[way].oflags, ways[way].rights, 0, &fd);
            say(ways[way].name, paths[i], error, error ? -1 : size_of(fd));
            if (error == 0)
                must("close", __wasi_fd_close(fd));
        }
}

static void looks(void)
{
    char text[64];
    size_t length;
    tree_make();
    for (size_t i = 0; i < PATHS; i++) {
        __wasi_filestat_t stat = {0};
        __wasi_fd_t fd;
        for (unsigned follow = 0; follow < 2; follow++) {
            __wasi_errno_t error = __wasi_path_filestat_get(WORK, follow, paths[i], &stat);
            say(follow ? "stat follow" : "stat", paths[i], error, stat.filetype);
        }
        memset(text, 0, sizeof(text));
        __wasi_errno_t error = __wasi_path_readlink(WORK, paths[i], (uint8_t *)text, sizeof(text), &length);
        say("readlink", paths[i], error, (long long)length);
        error = __wasi_path_open(WORK, 0, paths[i], 0, READ_RIGHTS, 0, 0, &fd);
        say("open nofollow", paths[i], error, -1);
        if (error == 0)
            must("close", __wasi_fd_close(fd));
    }
}

static __wasi_errno_t change(unsigned which, const char *path)
{
    switch (which) {
    case 0:
        return __wasi_path_create_directory(WORK, path);
    case 1:
        return __wasi_path_remove_directory(WORK, path);
    case 2:
        return __wasi_path_unlink_file(WORK, path);
    case 3:
        return __wasi_path_rename(WORK, path, WORK, "target");
    case 4:
        return __wasi_path_rename(WORK, "a", WORK, path);
    case 5:
        return __wasi_path_rename(WORK, "empty", WORK, path);
    case 6:
        return __wasi_path_link(WORK, 0, path, WORK, "target");
    case 7:
        return __wasi_path_link(WORK, 0, "a", WORK, path);
    case 8:
        return __wasi_path_symlink("a", WORK, path);
    case 9:
        return __wasi_path_filestat_set_times(WORK, 1, path, 1000000000, 2000000000,
                                              __WASI_FSTFLAGS_ATIM | __WASI_FSTFLAGS_MTIM);
    default:
        return __wasi_path_filestat_set_times(WORK, 1, path, 0, 0, __WASI_FSTFLAGS_ATIM | __WASI_FSTFLAGS_ATIM_NOW);
    }
}

static void changes(bool avoid)
{
    static const char *const names[] = {"mkdir",      "rmdir",           "unlink",        "rename from",
                                        "rename to",  "rename empty to", "link from",     "link to",
                                        "symlink at", "set times",       "set both times"};
    for (unsigned which = 0; which < sizeof(names) / sizeof(names[0]); which++)
        for (size_t i = 0; i < PATHS; i++) {
            if (avoid && which == 10)
                continue;
            tree_make();
            say(names[which], paths[i], change(which, paths[i]), -1);
        }
}

static void targets(void)
{
    static const char *const contents[] = {"a", "./a",     "dir/inner", "dir/../a", "",
                                           "/", "/home/a", "..",        "../a",     "missing"};
    for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
        __wasi_filestat_t stat = {0};
        tree_make();
        __wasi_errno_t error = __wasi_path_symlink(contents[i], WORK, "made");
        say("symlink to", contents[i], error, -1);
        if (error == 0)
            say("stat through link to", contents[i], __wasi_path_filestat_get(WORK, 1, "made", &stat),
                (long long)stat.size);
    }
}

static void bases(void)
{
    static const struct {
        const char *name;
        int fd;
    } of[] = {{"closed", CLOSED}, {"stream", 1}, {"/ro", RO}};
    tree_make();
    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
        __wasi_fd_t fd;
        __wasi_filestat_t stat = {0};
        char text[8];
        size_t length;
        say("open in", of[i].name, open_at(of[i].fd, "fixed.txt", 0, READ_RIGHTS, 0, &fd), -1);
        say("stat in", of[i].name, __wasi_path_filestat_get(of[i].fd, 0, "fixed.txt", &stat), (long long)stat.size);
        say("stat below", of[i].name, __wasi_path_filestat_get(of[i].fd, 0, "folder/below.txt", &stat),
            (long long)stat.size);
        say("readlink in", of[i].name, __wasi_path_readlink(of[i].fd, "fixed.txt", (uint8_t *)text, 8, &length), -1);
    }
    for (size_t i = 0; i < 2; i++) {
        say("mkdir in", of[i].name, __wasi_path_create_directory(of[i].fd, "x"), -1);
        say("rmdir in", of[i].name, __wasi_path_remove_directory(of[i].fd, "x"), -1);
        say("unlink in", of[i].name, __wasi_path_unlink_file(of[i].fd, "x"), -1);
        say("rename in", of[i].name, __wasi_path_rename(of[i].fd, "a", WORK, "b"), -1);
        say("rename into", of[i].name, __wasi_path_rename(WORK, "a", of[i].fd, "b"), -1);
        say("link in", of[i].name, __wasi_path_link(of[i].fd, 0, "a", WORK, "b"), -1);
        say("link into", of[i].name, __wasi_path_link(WORK, 0, "a", of[i].fd, "b"), -1);
        say("symlink in", of[i].name, __wasi_path_symlink("a", of[i].fd, "b"), -1);
        say("set times in", of[i].name, __wasi_path_filestat_set_times(of[i].fd, 0, "a", 0, 0, 0), -1);
    }
}

/* ---- calls with a descriptor ---- */

static uint8_t bytes[32];

static void transfers(const char *name, __wasi_fd_t fd)
{
    __wasi_iovec_t in = {bytes, 4}, nothing_in = {bytes, 0};
    __wasi_ciovec_t out = {(const uint8_t *)"wxyz", 4}, nothing_out = {bytes, 0};
    __wasi_filesize_t at = 0;
    size_t done = 0;
    say("fd_write none", name, __wasi_fd_write(fd, &nothing_out, 1, &done), (long long)done);
    say("fd_write no vectors", name, __wasi_fd_write(fd, &nothing_out, 0, &done), (long long)done);
    say("fd_pwrite", name, __wasi_fd_pwrite(fd, &out, 1, 2, &done), (long long)done);
    say("fd_pwrite far", name, __wasi_fd_pwrite(fd, &out, 1, 100, &done), (long long)done);
    say("fd_pread", name, __wasi_fd_pread(fd, &in, 1, 1, &done), (long long)done);
    say("fd_pread none", name, __wasi_fd_pread(fd, &nothing_in, 1, 1, &done), (long long)done);
    say("fd_pread behind", name, __wasi_fd_pread(fd, &in, 1, 1000, &done), (long long)done);
    say("fd_tell", name, __wasi_fd_tell(fd, &at), (long long)at);
    say("fd_seek set", name, __wasi_fd_seek(fd, 3, __WASI_WHENCE_SET, &at), (long long)at);
    say("fd_seek cur", name, __wasi_fd_seek(fd, -1, __WASI_WHENCE_CUR, &at), (long long)at);
    say("fd_seek end", name, __wasi_fd_seek(fd, 0, __WASI_WHENCE_END, &at), (long long)at);
    say("fd_seek far", name, __wasi_fd_seek(fd, 5000, __WASI_WHENCE_SET, &at), (long long)at);
    say("fd_seek negative", name, __wasi_fd_seek(fd, -1, __WASI_WHENCE_SET, &at), (long long)at);
    say("fd_seek before", name, __wasi_fd_seek(fd, -100000, __WASI_WHENCE_CUR, &at), (long long)at);
    say("fd_seek whence 3", name, __wasi_fd_seek(fd, 0, 3, &at), (long long)at);
    say("fd_tell again", name, __wasi_fd_tell(fd, &at), (long long)at);
}

static void properties(const char *name, __wasi_fd_t fd)
{
    __wasi_filestat_t stat = {0};
    __wasi_fdstat_t fdstat = {0};
    __wasi_prestat_t prestat;
    uint8_t path[16];
    size_t used = 0;
    say("fd_allocate", name, __wasi_fd_allocate(fd, 0, 200), -1);
    say("fd_allocate none", name, __wasi_fd_allocate(fd, 0, 0), -1);
    say("fd_set_size", name, __wasi_fd_filestat_set_size(fd, 50), -1);
    say("fd_set_size huge", name, __wasi_fd_filestat_set_size(fd, 1ull << 63), -1);
    __wasi_errno_t error = __wasi_fd_filestat_get(fd, &stat);
    say("fd_filestat_get size", name, error, stat.filetype == __WASI_FILETYPE_DIRECTORY ? -1 : (long long)stat.size);
    say("fd_filestat_get type", name, error, stat.filetype);
    say("fd_fdstat_get type", name, __wasi_fd_fdstat_get(fd, &fdstat), fdstat.fs_filetype);
    say("fd_fdstat_set_flags append", name, __wasi_fd_fdstat_set_flags(fd, __WASI_FDFLAGS_APPEND), -1);
    say("fd_fdstat_set_flags none", name, __wasi_fd_fdstat_set_flags(fd, 0), -1);
    say("fd_advise", name, __wasi_fd_advise(fd, 0, 10, __WASI_ADVICE_NORMAL), -1);
    say("fd_advise 9", name, __wasi_fd_advise(fd, 0, 10, 9), -1);
    say("fd_set_times", name, __wasi_fd_filestat_set_times(fd, 1, 2, __WASI_FSTFLAGS_ATIM | __WASI_FSTFLAGS_MTIM), -1);
    say("fd_set_times now", name, __wasi_fd_filestat_set_times(fd, 0, 0, __WASI_FSTFLAGS_ATIM_NOW), -1);
    say("fd_set_times both", name,
        __wasi_fd_filestat_set_times(fd, 0, 0, __WASI_FSTFLAGS_MTIM | __WASI_FSTFLAGS_MTIM_NOW), -1);
    say("fd_sync", name, __wasi_fd_sync(fd), -1);
    say("fd_datasync", name, __wasi_fd_datasync(fd), -1);
    say("fd_prestat_get", name, __wasi_fd_prestat_get(fd, &prestat), -1);
    say("fd_prestat_dir_name", name, __wasi_fd_prestat_dir_name(fd, path, 5), -1);
    say("fd_prestat_dir_name short", name, __wasi_fd_prestat_dir_name(fd, path, 2), -1);
    say("fd_readdir", name, __wasi_fd_readdir(fd, bytes, 0, 0, &used), -1);
    say("fd_fdstat_set_rights more", name, __wasi_fd_fdstat_set_rights(fd, UINT64_MAX, UINT64_MAX), -1);
    say("fd_fdstat_set_rights none", name, __wasi_fd_fdstat_set_rights(fd, 0, 0), -1);
    say("fd_renumber from closed", name, __wasi_fd_renumber(CLOSED, fd), -1);
    say("fd_renumber to closed", name, __wasi_fd_renumber(fd, CLOSED), -1);
    say("fd_close", name, fd == WORK || fd == RO ? 0 : __wasi_fd_close(fd), -1);
    say("fd_close again", name, fd == WORK || fd == RO ? 0 : __wasi_fd_close(fd), -1);
}

static void descriptors(void)
{
    static const struct {
        const char *name, *path;
        uint16_t oflags, flags;
        uint64_t rights;
    } kinds[] = {
        {"file", "a", 0, 0, FILE_RIGHTS},
        {"file to read", "a", 0, 0, READ_RIGHTS},
        {"file to append", "a", 0, __WASI_FDFLAGS_APPEND, FILE_RIGHTS},
        {"file without seek", "a", 0, 0, __WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_WRITE},
        {"file without rights", "a", 0, 0, 0},
        {"directory", "dir", __WASI_OFLAGS_DIRECTORY, 0, READ_RIGHTS},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        __wasi_fd_t fd = CLOSED;
        tree_make();
        __wasi_errno_t error = open_at(WORK, kinds[i].path, kinds[i].oflags, kinds[i].rights, kinds[i].flags, &fd);
        say("opened", kinds[i].name, error, -1);
        if (error != 0)
            continue;
        transfers(kinds[i].name, fd);
        properties(kinds[i].name, fd);
    }
    transfers("closed", CLOSED);
    properties("closed", CLOSED);
}

/* ---- directories that change while they are read ---- */

static unsigned names_read(__wasi_fd_t fd, size_t size)
{
    uint8_t buffer[512];
    uint64_t cookie = 0;
    size_t used = size;
    unsigned count = 0;
    while (used == size && __wasi_fd_readdir(fd, buffer, size, cookie, &used) == 0)
        for (size_t at = 0; at + sizeof(__wasi_dirent_t) <= used;) {
            __wasi_dirent_t entry;
            memcpy(&entry, buffer + at, sizeof(entry));
            at += sizeof(entry) + entry.d_namlen;
            if (at > used)
                break;
            cookie = entry.d_next;
            count += buffer[at - entry.d_namlen] != '.'; /* "." and ".." need not be there */
        }
    return count;
}

static void listings(void)
{
    static const size_t sizes[] = {512, 100, 40};
    __wasi_fd_t fd;
    tree_make();
    must("dir", open_at(WORK, ".", __WASI_OFLAGS_DIRECTORY, READ_RIGHTS, 0, &fd));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        say("names", i == 0 ? "at once" : i == 1 ? "in pieces" : "one by one", 0, names_read(fd, sizes[i]));
    (void)__wasi_path_unlink_file(WORK, "a");
    say("names", "one less", 0, names_read(fd, 512));
    must("close", __wasi_fd_close(fd));
}

int main(int count, char **arguments)
{
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* what it hangs in is the last line */
    memset(long_name, 'n', sizeof(long_name) - 1);
    memset(longest_name, 'm', sizeof(longest_name) - 1);
    opens();
    looks();
    changes(count > 1 && strcmp(arguments[1], "avoid") == 0);
    targets();
    bases();
    descriptors();
    listings();
    tree_remove();
    printf("compare: done\n");
    return 0;
}
