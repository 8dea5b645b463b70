/* The store on damaged disks, under sanitizers: whatever lies on them, it says what is wrong, or answers with errors;
 * it does not crash, hang or touch what is not its own.
 *
 *     damaged DATA.img [TIMES [SEED]]
 *     damaged DATA.img hostile         as it is: somebody has made it
 *
 * One process fills the disks and ends without emptying the log. Then, over and over, bytes and sectors of both disks
 * are changed, and another process opens them and uses every operation on what it finds.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model_disk.h"
#include "servers/store/memory.h"
#include "servers/store/statement.h"
#include "servers/store/store.h"

#define FOLDERS  4
#define FILES    40
#define SECTOR   512u
#define LEVELS   6
#define ENTRIES  3000 /* looked at in all: a damaged directory may have any number */
#define SECONDS  30
#define REFUSED  3           /* exit status: the store said what is wrong */
#define USED_LOG (2ul << 20) /* the log's part that has something in it */

static struct model_medium medium;
static const struct file_backend *const store = &store_backend;
static uint64_t random_state, clock_ns = 1;
static uint8_t block[65536];

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

static uint64_t wall_clock(void)
{
    return clock_ns += 1000;
}

static void say(void *context, int code, const char *text)
{
    (void)context;
    (void)code;
    (void)text;
}

static void cut_none(void) {}

static const char *start(void)
{
    model_disk_start(&medium, 1, 0, cut_none);
    store_memory_start(say);
    return store_open(1, wall_clock);
}

/* ---- what is done with them ---- */

/* So that something is in the database, and what comes later in the log. */
static bool log_empty(void)
{
    return store_commit() == FS_OK && statement_run(SQL_COMMIT, 0, NULL) == SQLITE_OK &&
           sqlite3_wal_checkpoint_v2(sqlite3_db_handle(statement_bind(SQL_BEGIN, 0, NULL)), NULL,
                                     SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) == SQLITE_OK &&
           statement_run(SQL_BEGIN, 0, NULL) == SQLITE_OK;
}

static int fill(void)
{
    inode folder = STORE_ROOT, file;
    uint32_t done;
    uint64_t end;
    char name[24];
    if (start())
        return 1;
    for (unsigned i = 0; i < FOLDERS * FILES; i++) {
        if (i == FOLDERS * FILES / 2 && !log_empty())
            return 1;
        snprintf(name, sizeof(name), "%s %u", i % FILES ? "file" : "folder", i);
        enum fs_type type = i % FILES ? i % 7 ? FS_TYPE_FILE : FS_TYPE_LINK : FS_TYPE_DIRECTORY;
        if (store->create(i % FILES ? folder : STORE_ROOT, name, (uint32_t)strlen(name), type, "file 1", 6, &file))
            return 1;
        if (type == FS_TYPE_DIRECTORY)
            folder = file;
        else if (type == FS_TYPE_FILE && store->write(file, i * 1000, block, i * 60, &done, &end))
            return 1;
    }
    return store_commit() ? 1 : 0;
}

static unsigned looked_at;

static void use_file(inode file)
{
    uint32_t done;
    uint64_t end;
    struct fs_stat stat;
    char target[64];
    (void)store->stat(file, &stat);
    if (store->open(file) != FS_OK)
        return;
    (void)store->read(file, random_next() % (1 << 20), block, sizeof(block), &done);
    if (looked_at % 3 == 0)
        (void)store->write(file, random_next() % (1 << 20), block, 20000, &done, &end);
    if (looked_at % 5 == 0)
        (void)store->resize(file, random_next() % (1 << 18));
    if (looked_at % 7 == 0)
        (void)store->tidy();
    (void)store->readlink(file, target, sizeof(target), &done);
    store->close(file);
}

static void use_folder(inode folder, unsigned level)
{
    static struct file_entry entry;
    inode found, made;
    for (uint64_t cookie = 0; store->list(folder, cookie, &entry) == FS_OK && looked_at++ < ENTRIES;) {
        if (entry.next <= cookie)
            abort(); /* whoever lists it would do so for ever */
        cookie = entry.next;
        if (store->lookup(folder, entry.name, entry.name_bytes, &found) != FS_OK)
            continue;
        use_file(found);
        if (entry.type == FS_TYPE_DIRECTORY && level < LEVELS)
            use_folder(found, level + 1);
        else if (looked_at % 4 == 0)
            (void)store->unlink(folder, entry.name, entry.name_bytes);
        else if (looked_at % 4 == 1)
            (void)store->rename(folder, entry.name, entry.name_bytes, STORE_ROOT, "moved", 5);
    }
    (void)store->parent(folder, &found);
    (void)store->create(folder, "new", 3, FS_TYPE_FILE, NULL, 0, &made);
}

static int use(void)
{
    alarm(SECONDS);
    if (start())
        return REFUSED;
    use_folder(STORE_ROOT, 0);
    (void)store_commit();
    return 0;
}

/* ---- damage ---- */

static void damage(void)
{
    size_t used[2] = {random_next() % 4 ? medium.size[0] : 16384,
                      USED_LOG}; /* the first page: what everything hangs on */
    for (uint64_t i = 0, times = 1 + random_next() % 8; i < times; i++) {
        unsigned disk = random_next() % 3 == 0;
        uint8_t *at = medium.bytes[disk] + random_next() % (used[disk] / SECTOR) * SECTOR;
        switch (random_next() % 4) {
        case 0:
            memset(at, 0, SECTOR);
            break;
        case 1:
            for (unsigned k = 0; k < SECTOR; k++)
                at[k] = (uint8_t)random_next();
            break;
        case 2:
            memcpy(at, medium.bytes[disk] + random_next() % (used[disk] / SECTOR) * SECTOR, SECTOR);
            break;
        default:
            for (unsigned k = 0; k < 4; k++)
                at[random_next() % 64] ^= (uint8_t)(1 << random_next() % 8);
        }
    }
}

static int in_child(int (*what)(void))
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        exit(what());
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    return status;
}

static int one_hostile(void)
{
    int status = in_child(use);
    if (status == 0 || (WIFEXITED(status) && WEXITSTATUS(status) == REFUSED))
        return 0;
    fprintf(stderr, "damaged: a hostile disk: status %#x\n", (unsigned)status);
    return 1;
}

int main(int count, char **arguments)
{
    uint8_t *whole[2];
    unsigned refused = 0, times = count > 2 ? (unsigned)atoi(arguments[2]) : 100;
    uint64_t seed = count > 3 ? strtoull(arguments[3], NULL, 10) : 1;
    if (count < 2 || !model_medium_open(&medium, arguments[1]))
        return 2;
    if (count > 2 && strcmp(arguments[2], "hostile") == 0)
        return one_hostile();
    if (in_child(fill) != 0)
        return 2;
    for (unsigned disk = 0; disk < 2; disk++) {
        whole[disk] = malloc(medium.size[disk]);
        memcpy(whole[disk], medium.bytes[disk], medium.size[disk]);
    }
    for (unsigned i = 0; i < times; i++) {
        random_state = (seed * 1000003 + i) * 0x9e3779b97f4a7c15ull | 1;
        for (unsigned disk = 0; disk < 2; disk++)
            memcpy(medium.bytes[disk], whole[disk], medium.size[disk]);
        damage();
        int status = in_child(use);
        bool is_refused = WIFEXITED(status) && WEXITSTATUS(status) == REFUSED;
        refused += is_refused;
        if (status != 0 && !is_refused) {
            fprintf(stderr, "damaged: seed %lu, time %u: status %#x\n", (unsigned long)seed, i, (unsigned)status);
            return 1;
        }
    }
    for (unsigned disk = 0; disk < 2; disk++)
        free(whole[disk]);
    printf("damaged: %u pairs of disks, %u of them refused\n", times, refused);
    return refused == 0 || refused == times; /* both must have been tried */
}
