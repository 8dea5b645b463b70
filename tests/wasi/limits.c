/* Files at their limits: long names and paths, very many open files, a full file system. Each is one clear error, and
 * all is well again afterwards; and devices. Preopened: 3 "/small" (256 KiB), 4 "/boot" (the boot archive), 5 "/dev".
 */
#include <fcntl.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/api.h>

#include "demos/lib/check.h"

#define SMALL 3
#define OPENS 10000

static struct check check;
static char text[8192];
static int files[OPENS];

static const char *name_of(size_t bytes)
{
    memset(text, 'n', bytes);
    text[bytes] = 0;
    return text;
}

static void names(void)
{
    check_group(&check, "names");
    check_u64(&check, "255 bytes", 0, __wasi_path_create_directory(SMALL, name_of(255)));
    check_u64(&check, "they are there", 0, __wasi_path_remove_directory(SMALL, name_of(255)));
    check_u64(&check, "256 bytes", __WASI_ERRNO_NAMETOOLONG, __wasi_path_create_directory(SMALL, name_of(256)));
    check_u64(&check, "4096 bytes", __WASI_ERRNO_NAMETOOLONG, __wasi_path_create_directory(SMALL, name_of(4096)));
    check_u64(&check, "4097 bytes", __WASI_ERRNO_NAMETOOLONG, __wasi_path_create_directory(SMALL, name_of(4097)));
    for (size_t i = 0; i < 4096; i += 2)
        memcpy(text + i, "./", 2);
    text[4095] = 'd';
    text[4096] = 0;
    text[4094] = '/';
    check_u64(&check, "a path of 4096 bytes", 0, __wasi_path_create_directory(SMALL, text));
    check_u64(&check, "it is there", 0, __wasi_path_remove_directory(SMALL, "d"));
    text[4096] = '/';
    text[4097] = 0;
    check_u64(&check, "of 4097 bytes", __WASI_ERRNO_NAMETOOLONG, __wasi_path_create_directory(SMALL, text));
}

/* Links that each lead to the next, just as many as are followed, and one more. */
static void chain(void)
{
    char from[16], to[16];
    __wasi_filestat_t stat;
    check_group(&check, "chains");
    check_u64(&check, "end", 0, __wasi_path_create_directory(SMALL, "l0"));
    for (int i = 1; i <= 41; i++) {
        snprintf(from, sizeof(from), "l%d", i);
        snprintf(to, sizeof(to), "l%d", i - 1);
        check_true(&check, "link", __wasi_path_symlink(to, SMALL, from) == 0);
    }
    check_u64(&check, "40 links", 0, __wasi_path_filestat_get(SMALL, 1, "l40", &stat));
    check_u64(&check, "41 links", __WASI_ERRNO_LOOP, __wasi_path_filestat_get(SMALL, 1, "l41", &stat));
    for (int i = 1; i <= 41; i++) {
        snprintf(from, sizeof(from), "l%d", i);
        check_true(&check, "unlink", __wasi_path_unlink_file(SMALL, from) == 0);
    }
    check_u64(&check, "removed", 0, __wasi_path_remove_directory(SMALL, "l0"));
}

static void many_open(void)
{
    int count = 0, refused = 0, other = 0;
    check_group(&check, "open files");
    close(open("/small/one", O_CREAT | O_WRONLY, 0600));
    for (int i = 0; i < OPENS; i++) {
        files[i] = open("/small/one", O_RDONLY);
        count += files[i] >= 0;
        refused += files[i] < 0 && errno == EMFILE;
        other += files[i] < 0 && errno != EMFILE;
    }
    check_u64(&check, "no other error than EMFILE", 0, (uint64_t)other);
    check_u64(&check, "all or refused", OPENS, (uint64_t)(count + refused));
    check_u64(&check, "as many as its memory has room for", OPENS, (uint64_t)count);
    for (int i = 0; i < OPENS; i++)
        if (files[i] >= 0 && close(files[i]) != 0)
            other++;
    check_u64(&check, "all closed", 0, (uint64_t)other);
    for (int i = 0; i < OPENS; i++) {
        int fd = open("/small/one", O_RDONLY);
        other += fd < 0 || close(fd) != 0;
    }
    check_u64(&check, "ten thousand, one after another", 0, (uint64_t)other);
    check_u64(&check, "unlink", 0, (uint64_t)unlink("/small/one"));
}

static size_t fill(const char *path)
{
    size_t total = 0;
    ssize_t done;
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    if (fd < 0)
        return 0;
    while ((done = write(fd, text, sizeof(text))) > 0)
        total += (size_t)done;
    check_u64(&check, "ENOSPC", ENOSPC, (uint64_t)errno);
    close(fd);
    return total;
}

static void full(void)
{
    size_t first, second;
    char name[32];
    int made = 0;
    check_group(&check, "a full file system");
    first = fill("/small/big");
    check_true(&check, "most of the quota", first > 200 * 1024 && first <= 256 * 1024);
    while (made < 10000) {
        snprintf(name, sizeof(name), "/small/f%d", made);
        int fd = open(name, O_CREAT | O_WRONLY, 0600);
        if (fd < 0)
            break;
        close(fd);
        made++;
    }
    check_u64(&check, "no room for a name", ENOSPC, (uint64_t)errno);
    check_u64(&check, "nor for a directory", __WASI_ERRNO_NOSPC, __wasi_path_create_directory(SMALL, "d"));
    check_u64(&check, "nor for a link", __WASI_ERRNO_NOSPC, __wasi_path_symlink("big", SMALL, "l"));
    check_u64(&check, "what is there can be removed", 0, (uint64_t)unlink("/small/big"));
    for (int i = 0; i < made; i++) {
        snprintf(name, sizeof(name), "/small/f%d", i);
        unlink(name);
    }
    second = fill("/small/big");
    check_u64(&check, "as much fits again", first, second);
    check_u64(&check, "beyond a file's largest size", EFBIG, (uint64_t)(truncate("/small/big", 1ll << 40) ? errno : 0));
    check_u64(&check, "a hole costs nothing", 0, (uint64_t)truncate("/small/big", 1 << 30));
    check_u64(&check, "unlink", 0, (uint64_t)unlink("/small/big"));
}

/* Many entries: each is listed once, also while those behind are removed. */
static void listing(void)
{
    char name[32];
    int seen = 0;
    check_group(&check, "a long directory");
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "/small/entry%d", i);
        close(open(name, O_CREAT | O_WRONLY, 0600));
    }
    DIR *directory = opendir("/small");
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (entry->d_name[0] == '.')
            continue;
        seen++;
        snprintf(name, sizeof(name), "/small/%s", entry->d_name);
        unlink(name);
    }
    check_u64(&check, "each once", 300, (uint64_t)seen);
    check_true(&check, "closed", directory && closedir(directory) == 0);
}

static void boot_archive(void)
{
    struct stat status;
    char magic[4] = {0};
    check_group(&check, "the boot archive");
    int fd = open("/boot/root", O_RDONLY);
    check_true(&check, "a member is read in place",
               fd >= 0 && read(fd, magic, 4) == 4 &&
                   !memcmp(magic,
                           "\x7f"
                           "ELF",
                           4));
    check_true(&check, "its size is known", fd >= 0 && fstat(fd, &status) == 0 && status.st_size > 4096);
    check_true(&check, "no member", open("/boot/none", O_RDONLY) < 0 && errno == ENOENT);
    check_true(&check, "nothing is written", open("/boot/new", O_CREAT | O_WRONLY, 0600) < 0);
    close(fd);
}

static void devices(void)
{
    static char bytes[70000];
    struct stat stat;
    check_group(&check, "devices");
    int null = open("/dev/null", O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0666), zero = open("/dev/zero", O_RDWR);
    check_true(&check, "it is a device", fstat(null, &stat) == 0 && S_ISCHR(stat.st_mode) && stat.st_size == 0);
    check_true(&check, "and no terminal", !isatty(null));
    check_true(&check, "all is taken",
               write(null, bytes, sizeof(bytes)) > 0 && pwrite(zero, bytes, 10, 1ll << 40) == 10);
    check_true(&check, "and is gone", lseek(null, 0, SEEK_CUR) == 0 && read(null, bytes, 10) == 0);
    memset(bytes, 1, sizeof(bytes));
    check_true(&check, "zeros", read(zero, bytes, 60000) == 60000 && !memchr(bytes, 1, 60000) && bytes[60000] == 1);
    check_true(&check, "what is none", open("/dev/random", O_RDONLY) == -1 && errno == ENOENT);
    check_true(&check, "nothing is made", open("/dev/new", O_RDWR | O_CREAT, 0666) == -1 && errno == EROFS);
    check_true(&check, "nothing is removed", unlink("/dev/null") == -1 && errno == EROFS);
    check_true(&check, "no directory", open("/dev/null/", O_RDONLY) == -1 && errno == ENOTDIR);
    FILE *out = fopen("/dev/null", "w");
    check_true(&check, "as a stream", out && fputs("text", out) >= 0 && fclose(out) == 0);
    unsigned seen = 0;
    DIR *directory = opendir("/dev");
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        seen += entry->d_type == DT_CHR;
    check_u64(&check, "listed", 2, seen);
    (void)closedir(directory);
    check_true(&check, "closed", close(null) == 0 && close(zero) == 0);
}

int main(void)
{
    names();
    chain();
    many_open();
    full();
    listing();
    boot_archive();
    devices();
    return check_finish(&check, "limits");
}
