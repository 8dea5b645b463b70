/* A directory that was granted with a quota of 64 KiB, and one of the same mount without: a program that checks itself.
 *
 *     quota LIMITED FREE ABOVE FULL
 *
 * FULL is a directory of ABOVE, which has no quota, and has one of 160 KiB itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "demos/lib/check.h"

#define QUOTA 65536
#define NAME  512 /* what each name counts */

static struct check check;
static const char *limited, *unlimited;
static char bytes[2 * QUOTA];

static const char *in(const char *folder, const char *name)
{
    static char paths[2][64];
    static unsigned turn;
    char *path = paths[turn++ % 2];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static int make(const char *folder, const char *name)
{
    return open(in(folder, name), O_RDWR | O_CREAT, 0600);
}

/* How much a new file of the directory takes before ENOSPC; it is removed again. */
static size_t room(const char *folder)
{
    size_t total = 0;
    ssize_t done;
    int file = make(folder, "room");
    if (file < 0)
        return 0;
    while (total < sizeof(bytes) && (done = write(file, bytes, 10000)) > 0)
        total += (size_t)done;
    check_true(&check, "ENOSPC, or more than the quota", total >= sizeof(bytes) || errno == ENOSPC);
    close(file);
    unlink(in(folder, "room"));
    return total;
}

static void writing(void)
{
    check_group(&check, "writing");
    check_u64(&check, "all of it", QUOTA - NAME, room(limited));
    check_u64(&check, "again", QUOTA - NAME, room(limited));
    check_true(&check, "no limit beside it", room(unlimited) >= sizeof(bytes));
    int file = make(limited, "file");
    check_u64(&check, "a hole counts", (uint64_t)-1, (uint64_t)ftruncate(file, QUOTA));
    check_u64(&check, "ENOSPC", ENOSPC, (uint64_t)errno);
    check_u64(&check, "what is left", 0, (uint64_t)ftruncate(file, QUOTA - NAME));
    check_u64(&check, "nothing more", (uint64_t)-1, (uint64_t)pwrite(file, bytes, 1, QUOTA - NAME));
    check_u64(&check, "what is there can be written", 100, (uint64_t)pwrite(file, bytes, 100, 5));
    check_u64(&check, "a part", 3,
              (uint64_t)(ftruncate(file, QUOTA - NAME - 3) ? 0 : pwrite(file, bytes, 9, QUOTA - NAME - 3)));
    check_u64(&check, "posix_fallocate", ENOSPC, (uint64_t)posix_fallocate(file, 0, QUOTA));
    check_u64(&check, "made shorter", 0, (uint64_t)ftruncate(file, 1000));
    close(file);
    check_u64(&check, "gives back", QUOTA - 2 * NAME - 1000, room(limited));
    close(open(in(limited, "file"), O_WRONLY | O_TRUNC));
    check_u64(&check, "so does O_TRUNC", QUOTA - 2 * NAME, room(limited));
    unlink(in(limited, "file"));
}

/* What is open keeps its bytes until it is closed. */
static void without_name(void)
{
    check_group(&check, "without a name");
    int file = make(limited, "gone");
    check_u64(&check, "written", 30000, (uint64_t)write(file, bytes, 30000));
    check_u64(&check, "unlinked", 0, (uint64_t)unlink(in(limited, "gone")));
    check_u64(&check, "it counts still", QUOTA - NAME - 30000, room(limited));
    close(file);
    check_u64(&check, "no more", QUOTA - NAME, room(limited));
}

static void names(void)
{
    int made = 0;
    char name[16];
    check_group(&check, "names");
    for (;; made++) {
        snprintf(name, sizeof(name), "n%d", made);
        int file = make(limited, name);
        if (file < 0)
            break;
        close(file);
    }
    check_u64(&check, "ENOSPC", ENOSPC, (uint64_t)errno);
    check_u64(&check, "as many as there is room for", QUOTA / NAME, (uint64_t)made);
    check_u64(&check, "no directory", (uint64_t)-1, (uint64_t)mkdir(in(limited, "d"), 0700));
    check_u64(&check, "no link", (uint64_t)-1, (uint64_t)symlink("n0", in(limited, "l")));
    check_u64(&check, "no second name", (uint64_t)-1, (uint64_t)link(in(limited, "n0"), in(limited, "n")));
    check_u64(&check, "another name instead", 0, (uint64_t)rename(in(limited, "n0"), in(limited, "n")));
    check_u64(&check, "over one", 0, (uint64_t)rename(in(limited, "n"), in(limited, "n1")));
    check_u64(&check, "gives one back", 0, (uint64_t)mkdir(in(limited, "d"), 0700));
    check_u64(&check, "rmdir", 0, (uint64_t)rmdir(in(limited, "d")));
    while (--made > 0) {
        snprintf(name, sizeof(name), "n%d", made);
        unlink(in(limited, name));
    }
    check_u64(&check, "all back", QUOTA - NAME, room(limited));
}

/* What a link leads to counts like a file's bytes. */
static void links(void)
{
    static char target[4001];
    char name[16];
    int made = 0;
    memset(target, 'x', sizeof(target) - 1);
    for (unsigned i = 100; i < sizeof(target) - 1; i += 100)
        target[i] = '/';
    check_group(&check, "symbolic links");
    for (;; made++) {
        snprintf(name, sizeof(name), "l%d", made);
        if (symlink(target, in(limited, name)) != 0)
            break;
    }
    check_u64(&check, "ENOSPC", ENOSPC, (uint64_t)errno);
    check_u64(&check, "as many as there is room for", QUOTA / (NAME + sizeof(target) - 1), (uint64_t)made);
    check_u64(&check, "over one", 0, (uint64_t)rename(in(limited, "l0"), in(limited, "l1")));
    check_u64(&check, "gives one back", 0, (uint64_t)symlink(target, in(limited, "l0")));
    while (made-- > 0) {
        snprintf(name, sizeof(name), "l%d", made);
        unlink(in(limited, name));
    }
    check_u64(&check, "all back", QUOTA - NAME, room(limited));
}

static void moving(void)
{
    check_group(&check, "from one to the other");
    close(make(unlimited, "large"));
    check_u64(&check, "rename", (uint64_t)-1, (uint64_t)rename(in(unlimited, "large"), in(limited, "large")));
    check_u64(&check, "EXDEV", EXDEV, (uint64_t)errno);
    check_u64(&check, "link", (uint64_t)-1, (uint64_t)link(in(unlimited, "large"), in(limited, "large")));
    check_u64(&check, "EXDEV", EXDEV, (uint64_t)errno);
    unlink(in(unlimited, "large"));
}

#define FULL_QUOTA 163840
#define FULL_FILES 100u
#define FULL_BYTES 10

/* What is there before the directory is first opened with its quota is counted, in more pieces than one. */
static void counted(const char *above, const char *full)
{
    static const char *const folders[] = {"", "/a", "/a/b"};
    char path[64];
    int top = open(above, O_RDONLY | O_DIRECTORY), made = 0;
    check_group(&check, "what is there");
    for (unsigned i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s%s", strrchr(full, '/') + 1, folders[i]);
        check_u64(&check, "a folder", 0, (uint64_t)mkdirat(top, path, 0700));
        for (unsigned k = 0; k < FULL_FILES; k++) {
            snprintf(path, sizeof(path), "%s%s/%u", strrchr(full, '/') + 1, folders[i], k);
            int file = openat(top, path, O_WRONLY | O_CREAT, 0600);
            made += ftruncate(file, FULL_BYTES) == 0 && close(file) == 0;
        }
    }
    check_u64(&check, "files", 3 * FULL_FILES, (uint64_t)made);
    check_u64(&check, "all counts", FULL_QUOTA - (3 * FULL_FILES + 3) * NAME - 3 * FULL_FILES * FULL_BYTES, room(full));
    for (unsigned i = 3; i-- > 0;) {
        for (unsigned k = 0; k < FULL_FILES; k++) {
            snprintf(path, sizeof(path), "%s%s/%u", strrchr(full, '/') + 1, folders[i], k);
            made -= unlinkat(top, path, 0) == 0;
        }
        snprintf(path, sizeof(path), "%s%s", strrchr(full, '/') + 1, folders[i]);
        check_u64(&check, "removed", 0, (uint64_t)unlinkat(top, path, AT_REMOVEDIR));
    }
    check_u64(&check, "all of it", 0, (uint64_t)made);
    close(top);
}

int main(int count, char **arguments)
{
    if (count != 5)
        return 2;
    limited = arguments[1];
    unlimited = arguments[2];
    writing();
    without_name();
    names();
    links();
    moving();
    counted(arguments[3], arguments[4]);
    return check_finish(&check, "quota");
}
