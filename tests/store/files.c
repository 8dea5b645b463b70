/* Files in the store, on a model of its disks: what a program cannot easily bring about.
 *
 *     files DATA.img first|second      `second` opens what `first` left
 *
 * The image has a directory "quota" that may hold 100,000 bytes (tests/store/files.py makes it).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_disk.h"
#include "servers/store/memory.h"
#include "servers/store/store.h"

#define GIB        (1ul << 30)
#define PIECE_MOST (8ul << 20) /* that one request may make or free */

static uint64_t clock_ns = 1;
static uint8_t block[65536], other[65536];

static uint64_t wall_clock(void)
{
    return clock_ns += 1000;
}

static void say(void *context, int code, const char *text)
{
    (void)context;
    if (code != 283) /* SQLITE_NOTICE_RECOVER_WAL */
        fprintf(stderr, "SQLite: %d: %s\n", code, text);
}

#define IS(wanted, got) check((uint64_t)(wanted), (uint64_t)(got), #got, __LINE__)
static void check(uint64_t wanted, uint64_t got, const char *what, int line)
{
    if (wanted == got)
        return;
    fprintf(stderr, "files: line %d: %s is %lu, not %lu\n", line, what, (unsigned long)got, (unsigned long)wanted);
    exit(1);
}

static const struct file_backend *const store = &store_backend;

static inode make(inode directory, const char *name, enum fs_type type)
{
    inode file;
    IS(FS_OK, store->create(directory, name, (uint32_t)strlen(name), type, NULL, 0, &file));
    return file;
}

static uint32_t put(inode file, uint64_t offset, uint32_t count)
{
    uint32_t done = 0;
    uint64_t end;
    uint32_t error = store->write(file, offset, block, count, &done, &end);
    if (!error)
        IS(count, done);
    return error;
}

/* As clients do: what is large is done in pieces. */
static uint32_t resize(inode file, uint64_t bytes)
{
    uint32_t error;
    while ((error = store->resize(file, bytes)) == FS_MORE)
        continue;
    return error;
}

static uint32_t allocate(inode file, uint64_t offset, uint64_t bytes)
{
    uint64_t done;
    uint32_t error;
    while ((error = store->allocate(file, offset, bytes, &done)) == FS_MORE) {
        IS(true, done > 0 && done < bytes && done <= PIECE_MOST);
        offset += done;
        bytes -= done;
    }
    return error;
}

static uint64_t size_of(inode file)
{
    struct fs_stat stat;
    IS(FS_OK, store->stat(file, &stat));
    return stat.bytes;
}

static void large(void)
{
    inode file = make(STORE_ROOT, "large", FS_TYPE_FILE);
    uint32_t done;
    IS(FS_OK, put(file, 5 * GIB + 7, sizeof(block)));
    IS(5 * GIB + 7 + sizeof(block), size_of(file));
    IS(FS_OK, store->read(file, 5 * GIB + 7, other, sizeof(other), &done));
    IS(sizeof(other), done);
    IS(0, memcmp(block, other, sizeof(block)));
    IS(FS_OK, store->read(file, 4 * GIB, other, 100, &done));
    IS(0, other[0] | other[99]);
    IS(FS_EFBIG, put(file, (uint64_t)STORE_CHUNK_BYTES << 32, 1));
    IS(FS_EFBIG, put(file, UINT64_MAX - 1, 1));
    IS(FS_OK, store->resize(file, 3));
    IS(FS_OK, store->resize(file, 6 * GIB));
    IS(FS_OK, store->read(file, 5 * GIB + 7, other, sizeof(other), &done));
    IS(0, other[0] | other[1000]);
    IS(FS_OK, store->unlink(STORE_ROOT, "large", 5));
}

/* More than one transaction may hold is cut in pieces. */
static void cut_in_pieces(void)
{
    inode file = make(STORE_ROOT, "long", FS_TYPE_FILE);
    uint32_t done;
    for (uint64_t at = 0; at < 20000000; at += sizeof(block))
        IS(FS_OK, put(file, at, sizeof(block)));
    IS(FS_MORE, store->resize(file, 100000));
    IS(true, size_of(file) + PIECE_MOST > 20000000);
    IS(FS_OK, resize(file, 100000));
    IS(100000, size_of(file));
    IS(FS_OK, store->resize(file, 200000));
    IS(FS_OK, store->read(file, 99990, other, 20, &done));
    IS(0, memcmp(other, block + 99990 % sizeof(block), 10));
    IS(0, other[10] | other[19]);
    IS(FS_OK, store->unlink(STORE_ROOT, "long", 4));
    IS(FS_ENOENT, store->unlink(STORE_ROOT, "long", 4));
}

static void room(void)
{
    inode file = make(STORE_ROOT, "room", FS_TYPE_FILE);
    IS(FS_ENOSPC, allocate(file, 0, GIB));
    IS(0, size_of(file));
    IS(FS_OK, allocate(file, 5, 1000000));
    IS(1000005, size_of(file));
    uint32_t error = FS_OK;
    for (uint64_t at = 0; !error && at < 64u << 20; at += sizeof(block))
        error = put(file, at, sizeof(block));
    IS(FS_ENOSPC, error);
    IS(FS_OK, store_commit());
    IS(FS_OK, store->unlink(STORE_ROOT, "room", 4));
    IS(FS_OK, put(make(STORE_ROOT, "room again", FS_TYPE_FILE), 0, sizeof(block)));
}

/* A large file that loses its name is freed in pieces, and what is waiting is freed for whoever needs the room. */
static void gone(void)
{
    inode file = make(STORE_ROOT, "gone", FS_TYPE_FILE), next = make(STORE_ROOT, "next", FS_TYPE_FILE);
    uint32_t pieces = 0;
    while (store->tidy()) /* what the tests before left */
        continue;
    IS(FS_OK, allocate(file, 0, 30000000));
    IS(FS_ENOSPC, allocate(next, 0, 30000000));
    IS(FS_OK, store->open(file));
    IS(FS_OK, store->unlink(STORE_ROOT, "gone", 4));
    IS(30000000, size_of(file));
    IS(false, store->tidy());
    store->close(file);
    IS(true, store_is_untidy());
    while (store->tidy())
        pieces++;
    IS(true, pieces > 30000000 / PIECE_MOST);
    IS(false, store_is_untidy());
    IS(FS_OK, allocate(next, 0, 30000000));
    IS(FS_OK, store->unlink(STORE_ROOT, "next", 4)); /* waits until the machine ends: files.py looks */
    IS(true, store_is_untidy());
    file = make(STORE_ROOT, "large again", FS_TYPE_FILE);
    uint32_t error;
    while ((error = allocate(file, 0, 25000000)) == FS_ENOSPC && store->tidy())
        continue;
    IS(FS_OK, error);
    IS(FS_OK, store->unlink(STORE_ROOT, "large again", 11));
}

static void quota(void)
{
    inode directory, outside = make(STORE_ROOT, "outside", FS_TYPE_FILE);
    IS(FS_OK, store->lookup(STORE_ROOT, "quota", 5, &directory));
    inode below = make(directory, "below", FS_TYPE_DIRECTORY), file = make(below, "file", FS_TYPE_FILE);
    inode second = make(directory, "second", FS_TYPE_FILE);
    IS(FS_OK, put(file, 0, 60000));
    IS(FS_ENOSPC, put(second, 0, 60000));
    IS(FS_OK, put(file, 0, 60000)); /* the same bytes again */
    IS(FS_OK, put(second, 0, 40000));
    IS(FS_ENOSPC, put(second, 40000, 1));
    IS(FS_ENOSPC, store->resize(second, 40001));
    IS(FS_EXDEV, store->link(outside, directory, "link", 4));
    IS(FS_EXDEV, store->rename(directory, "second", 6, STORE_ROOT, "second", 6));
    IS(FS_OK, store->rename(directory, "second", 6, below, "moved", 5));
    IS(FS_OK, store->resize(file, 0));
    IS(FS_OK, put(second, 40000, 60000));
    IS(FS_OK, store->unlink(below, "moved", 5));
    IS(FS_OK, put(file, 0, 65536));
    IS(FS_ENOSPC, allocate(file, 0, 5000000)); /* and takes nothing: files.py looks */
    IS(FS_OK, allocate(file, 0, 65536));
    IS(65536, size_of(file));
}

static void links(void)
{
    inode file = make(STORE_ROOT, "one", FS_TYPE_FILE), found;
    struct fs_stat stat;
    IS(FS_OK, put(file, 0, 100));
    IS(FS_OK, store->link(file, STORE_ROOT, "two", 3));
    IS(FS_OK, store->stat(file, &stat));
    IS(2, stat.links);
    IS(FS_OK, store->unlink(STORE_ROOT, "one", 3));
    IS(FS_OK, store->lookup(STORE_ROOT, "two", 3, &found));
    IS(file, found);
    inode directory = make(STORE_ROOT, "gone", FS_TYPE_DIRECTORY);
    IS(FS_OK, store->open(directory));
    IS(FS_OK, store->remove_directory(STORE_ROOT, "gone", 4));
    IS(FS_ENOENT, store->create(directory, "x", 1, FS_TYPE_FILE, NULL, 0, &found));
    IS(FS_ENOENT, store->rename(STORE_ROOT, "two", 3, directory, "x", 1));
    store->close(directory);
}

/* A listing goes on where it was while names come and go. */
static void listing(void)
{
    inode directory = make(STORE_ROOT, "many", FS_TYPE_DIRECTORY);
    struct file_entry entry;
    char name[24];
    uint64_t cookie = 0;
    uint32_t seen = 0;
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "name %d", i);
        (void)make(directory, name, FS_TYPE_FILE);
    }
    for (; store->list(directory, cookie, &entry) == FS_OK; cookie = entry.next, seen++)
        if (seen % 2)
            IS(FS_OK, store->unlink(directory, entry.name, entry.name_bytes));
    IS(10000, seen);
    for (seen = 0, cookie = 0; store->list(directory, cookie, &entry) == FS_OK; cookie = entry.next)
        seen++;
    IS(5000, seen);
    IS(FS_ENOENT, store->list(directory, UINT64_MAX, &entry));
    IS(FS_ENOTEMPTY, store->remove_directory(STORE_ROOT, "many", 4));
}

/* Open without a name when the machine ends. */
static void orphan(bool is_second)
{
    inode file;
    struct fs_stat stat;
    uint32_t done;
    if (is_second) {
        IS(FS_OK, store->lookup(STORE_ROOT, "two", 3, &file));
        IS(FS_ENOENT, store->lookup(STORE_ROOT, "orphan", 6, &file));
        return;
    }
    file = make(STORE_ROOT, "orphan", FS_TYPE_FILE);
    IS(FS_OK, store->open(file));
    IS(FS_OK, put(file, 0, 50000));
    IS(FS_OK, store->unlink(STORE_ROOT, "orphan", 6));
    IS(FS_OK, store->read(file, 0, other, 50000, &done));
    IS(0, memcmp(block, other, 50000));
    IS(FS_OK, store->stat(file, &stat));
    IS(0, stat.links);
    IS(FS_OK, store_commit());
}

static void cut_none(void) {}

int main(int count, char **arguments)
{
    static struct model_medium medium;
    if (count != 3)
        return 2;
    bool is_second = strcmp(arguments[2], "second") == 0;
    if (!model_medium_open(&medium, arguments[1]))
        return 2;
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = (uint8_t)(i * 7 + i / 251 + 1);
    model_disk_start(&medium, 1, 0, cut_none);
    store_memory_start(say);
    const char *problem = store_open(1, wall_clock);
    if (problem) {
        fprintf(stderr, "files: %s\n", problem);
        return 1;
    }
    if (!is_second) {
        large();
        cut_in_pieces();
        room();
        gone();
        quota();
        links();
        listing();
    }
    while (is_second && store->tidy())
        continue;
    orphan(is_second);
    IS(FS_OK, store_commit());
    IS(false, store_is_dirty());
    return 0;
}
