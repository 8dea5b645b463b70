/* Races between check and use: one program swaps a directory and a symbolic link that leads out under the paths that
 * another follows, and moves a directory out and in again whose ".." is on the way. Whoever was granted the directory
 * "box" reads, writes and makes nothing beside it.
 *
 *     race swap        preopened 3 "/race": makes everything, swaps until there is a file "done", looks what was
 * touched race look        preopened 3 "/race/box": opens, looks, links, makes, renames, removes, until each state was
 * met often
 *
 *     /race/box/file, /race/box/d/file       "inside"
 *     /race/out/file                         the secret, longer; /race/out/only is nowhere else
 *     /race/box/d                            a directory, nothing, or a link to "../out"
 *     /race/box/up                           a directory, or moved to /race/out/up
 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/api.h>

#include "demos/lib/check.h"

#define INSIDE "inside"
#define SECRET "the secret beside it"
#define OFTEN  500   /* times that each state is met */
#define ROUNDS 20000 /* at most */
#define BOX    3
#define FOLLOW __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW

static struct check check;

/* ---- swap ---------------------------------------------------------------------------------------------------- */

static void file_make(const char *path, const char *text)
{
    int file = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    check_true(&check, path, file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text) && close(file) == 0);
}

static bool file_has(const char *path, const char *text)
{
    char bytes[64];
    int file = open(path, O_RDONLY);
    ssize_t done = file < 0 ? -1 : read(file, bytes, sizeof(bytes));
    close(file);
    return done == (ssize_t)strlen(text) && memcmp(bytes, text, strlen(text)) == 0;
}

static unsigned entries(const char *path)
{
    unsigned count = 0;
    DIR *directory = opendir(path);
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count;
}

static int swap(void)
{
    static const char *const moves[][2] = {
        {"/race/box/d", "/race/box/directory"}, {"/race/box/link", "/race/box/d"},
        {"/race/box/up", "/race/out/up"},       {"/race/box/d", "/race/box/link"},
        {"/race/box/directory", "/race/box/d"}, {"/race/out/up", "/race/box/up"},
    };
    unsigned failed = 0;
    struct stat status;
    check_group(&check, "swap");
    mkdir("/race/box", 0700); /* or the other's grant has made it */
    check_true(&check, "out", mkdir("/race/out", 0700) == 0);
    file_make("/race/out/file", SECRET);
    file_make("/race/out/only", SECRET);
    file_make("/race/box/file", INSIDE);
    check_true(&check, "link", symlink("../out", "/race/box/link") == 0);
    check_true(&check, "up", mkdir("/race/box/up", 0700) == 0);
    check_true(&check, "directory", mkdir("/race/box/directory", 0700) == 0);
    file_make("/race/box/directory/file", INSIDE); /* before the other can see it */
    check_true(&check, "d", rename("/race/box/directory", "/race/box/d") == 0);
    while (stat("/race/box/done", &status) != 0)
        for (unsigned i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
            failed += rename(moves[i][0], moves[i][1]) != 0;
            sched_yield();
        }
    check_u64(&check, "renames that failed", 0, failed);
    check_true(&check, "the secret is as it was", file_has("/race/out/file", SECRET));
    check_true(&check, "so is the other", file_has("/race/out/only", SECRET));
    check_true(&check, "it has one name", stat("/race/out/file", &status) == 0 && status.st_nlink == 1);
    check_u64(&check, "and nothing is beside them", 4, entries("/race/out"));
    return check_finish(&check, "swap");
}

/* ---- look ---------------------------------------------------------------------------------------------------- */

struct seen {
    unsigned inside, refused, missing, wrong;
};

/* A call's answer: it did something inside, or says why not. */
static bool note(struct seen *seen, uint16_t error)
{
    seen->inside += error == 0;
    seen->refused += error == __WASI_ERRNO_NOTCAPABLE;
    seen->missing += error == __WASI_ERRNO_NOENT;
    seen->wrong += error != 0 && error != __WASI_ERRNO_NOTCAPABLE && error != __WASI_ERRNO_NOENT;
    return error == 0;
}

static void look_open(struct seen *seen, const char *path)
{
    uint8_t bytes[64];
    size_t done = 0;
    __wasi_iovec_t vector = {bytes, sizeof(bytes)};
    __wasi_fd_t fd;
    if (!note(seen, __wasi_path_open(BOX, FOLLOW, path, 0, __WASI_RIGHTS_FD_READ, 0, 0, &fd)))
        return;
    seen->wrong += __wasi_fd_read(fd, &vector, 1, &done) != 0 || done != strlen(INSIDE) || memcmp(bytes, INSIDE, done);
    seen->wrong += __wasi_fd_close(fd) != 0;
}

static void look_stat(struct seen *seen, const char *path)
{
    __wasi_filestat_t stat;
    if (note(seen, __wasi_path_filestat_get(BOX, FOLLOW, path, &stat)))
        seen->wrong += stat.size != strlen(INSIDE);
}

/* As a directory of its own: what is in it then. */
static void look_directory(struct seen *seen)
{
    __wasi_fd_t directory, fd;
    if (!note(seen, __wasi_path_open(BOX, FOLLOW, "d", __WASI_OFLAGS_DIRECTORY, __WASI_RIGHTS_PATH_OPEN,
                                     __WASI_RIGHTS_FD_READ, 0, &directory)))
        return;
    seen->wrong += __wasi_path_open((int)directory, 0, "only", 0, __WASI_RIGHTS_FD_READ, 0, 0, &fd) == 0;
    seen->wrong += __wasi_path_open((int)directory, 0, "../file", 0, __WASI_RIGHTS_FD_READ, 0, 0, &fd) == 0;
    seen->wrong += __wasi_fd_close(directory) != 0;
}

static void look_make(struct seen *seen, const char *path)
{
    __wasi_fd_t fd;
    size_t done;
    __wasi_ciovec_t vector = {(const uint8_t *)INSIDE, strlen(INSIDE)};
    if (!note(seen, __wasi_path_open(BOX, FOLLOW, path, __WASI_OFLAGS_CREAT | __WASI_OFLAGS_TRUNC,
                                     __WASI_RIGHTS_FD_WRITE, 0, 0, &fd)))
        return;
    seen->wrong += __wasi_fd_write(fd, &vector, 1, &done) != 0;
    seen->wrong += __wasi_fd_close(fd) != 0;
}

static void look_link(struct seen *seen)
{
    if (!note(seen, __wasi_path_link(BOX, 0, "d/file", BOX, "second")))
        return;
    look_open(seen, "second");
    seen->wrong += __wasi_path_unlink_file(BOX, "second") != 0;
}

static void round_go(struct seen *seen, struct seen *above)
{
    look_open(seen, "d/file");
    look_open(above, "up/../file");
    look_stat(seen, "d/file");
    look_stat(above, "up/../file");
    look_directory(seen);
    look_make(seen, "d/file");
    look_make(above, "up/../file");
    look_make(seen, "d/new");
    look_link(seen);
    note(seen, __wasi_path_rename(BOX, "d/new", BOX, "d/newer"));
    note(seen, __wasi_path_unlink_file(BOX, "d/newer"));
    note(seen, __wasi_path_unlink_file(BOX, "d/only"));
    if (note(seen, __wasi_path_create_directory(BOX, "d/made")))
        while (!note(seen, __wasi_path_remove_directory(BOX, "d/made")))
            sched_yield();
}

static int look(void)
{
    struct seen seen = {0}, above = {0};
    unsigned rounds = 0;
    __wasi_fd_t fd = 0;
    check_group(&check, "look");
    while (rounds++ < ROUNDS && (seen.inside < OFTEN || seen.refused < OFTEN || seen.missing < OFTEN ||
                                 above.inside < OFTEN || above.missing < OFTEN))
        round_go(&seen, &above);
    printf("race: %u rounds; a link on the way: %u inside, %u refused, %u missing; above: %u inside, %u missing\n",
           rounds, seen.inside, seen.refused, seen.missing, above.inside, above.missing);
    check_u64(&check, "nothing from outside, no other error", 0, seen.wrong);
    check_u64(&check, "nor by a directory that is moved", 0, above.wrong);
    check_true(&check, "each state was met", rounds < ROUNDS);
    check_u64(&check, "done", 0,
              __wasi_path_open(BOX, 0, "done", __WASI_OFLAGS_CREAT, __WASI_RIGHTS_FD_READ, 0, 0, &fd));
    return check_finish(&check, "look");
}

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "swap") == 0)
        return swap();
    if (count == 2 && strcmp(arguments[1], "look") == 0)
        return look();
    return 2;
}
