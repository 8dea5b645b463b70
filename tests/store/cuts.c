/* Power cuts: the store on a model of its disks (model_disk.h), cut off at a random write or flush, and opened again.
 *
 *     cuts DATA.img [CUTS [SEED]]
 *
 * A process does random operations on files and writes into shared memory, after each, what the whole name space looks
 * like (a hash), and after each sync that it was acknowledged. When the power is cut it ends where it stands. Another
 * one opens the disks, checks the database, and what it finds must be exactly the state after one of the operations
 * from the last acknowledged sync on. Then the next round begins on the same disks. At the end the images are written
 * back, so that the host's tools can look at them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model_disk.h"
#include "servers/store/memory.h"
#include "servers/store/statement.h"
#include "servers/store/store.h"

#define STATES      4096
#define NAMES       8
#define FOLDERS     3
#define DATA_BYTES  40000u
#define FILE_BYTES  60000u
#define STATUS_CUT  77
#define STATUS_DONE 0

static struct journal {
    uint64_t states[STATES];
    uint64_t operations[STATES];           /* what was done, for the message */
    volatile uint32_t count, acknowledged; /* states from `acknowledged` on may be found */
} * journal;
static struct model_medium medium;
static uint64_t random_state, clock_ns;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static uint64_t wall_clock(void)
{
    return clock_ns += 1000;
}

_Noreturn static void fail(const char *what)
{
    fprintf(stderr, "cuts: %s\n", what);
    exit(1);
}

static void say(void *context, int code, const char *text)
{
    (void)context;
    if (code != 283) /* SQLITE_NOTICE_RECOVER_WAL: what a power cut is followed by */
        fprintf(stderr, "SQLite: %d: %s\n", code, text);
}

/* ---- what the name space looks like -------------------------------------------------------------------------- */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    for (; count >= 8; count -= 8, at += 8) {
        uint64_t piece;
        memcpy(&piece, at, 8);
        hash = (hash ^ piece) * 0x9fb21c651e98df25ull;
        hash ^= hash >> 28;
    }
    for (; count > 0; count--)
        hash = (hash ^ *at++) * 0x100000001b3ull;
    return hash;
}

static uint64_t hash_file(uint64_t hash, const struct fs_stat *stat)
{
    static uint8_t buffer[FILE_BYTES + DATA_BYTES + 1];
    uint32_t done;
    if (store_backend.read(stat->inode, 0, buffer, sizeof(buffer), &done) || done != stat->bytes)
        fail("a file cannot be read");
    return hash_bytes(hash, buffer, done);
}

static uint64_t hash_directory(uint64_t hash, inode directory)
{
    struct file_entry entry;
    for (uint64_t cookie = 0;; cookie = entry.next) {
        struct fs_stat stat;
        uint32_t error = store_backend.list(directory, cookie, &entry), bytes;
        if (error == FS_ENOENT)
            return hash;
        if (error || store_backend.stat(entry.inode, &stat))
            fail("a directory cannot be read");
        hash = hash_bytes(hash, entry.name, entry.name_bytes);
        hash = hash_bytes(hash, &stat, sizeof(stat));
        if (stat.type == FS_TYPE_DIRECTORY)
            hash = hash_directory(hash, entry.inode);
        else if (stat.type == FS_TYPE_FILE)
            hash = hash_file(hash, &stat);
        else {
            char target[64];
            if (store_backend.readlink(entry.inode, target, sizeof(target), &bytes))
                fail("a link cannot be read");
            hash = hash_bytes(hash, target, bytes);
        }
    }
}

static void state_note(uint64_t what)
{
    uint32_t n = journal->count;
    if (n == STATES)
        fail("too many operations in one round");
    journal->states[n] = hash_directory(1, STORE_ROOT);
    journal->operations[n] = what;
    journal->count = n + 1;
}

/* ---- operations ---------------------------------------------------------------------------------------------- */

static inode some_folder(void)
{
    char name[2] = {(char)('A' + random_next() % FOLDERS), 0};
    inode folder;
    if (random_next() % 4 == 0)
        return STORE_ROOT;
    if (store_backend.lookup(STORE_ROOT, name, 1, &folder) == FS_OK)
        return folder;
    if (store_backend.create(STORE_ROOT, name, 1, FS_TYPE_DIRECTORY, NULL, 0, &folder))
        fail("a directory cannot be made");
    state_note(2000);
    return folder;
}

static void some_write(inode file)
{
    static uint8_t data[DATA_BYTES];
    uint32_t count = (uint32_t)(random_next() % DATA_BYTES), done;
    uint64_t offset = random_next() % 3 ? random_next() % (FILE_BYTES - DATA_BYTES) : FS_AT_END, end;
    struct fs_stat stat;
    for (uint32_t i = 0; i + 8 <= DATA_BYTES; i += 8) {
        uint64_t piece = random_next();
        memcpy(data + i, &piece, 8);
    }
    if (offset == FS_AT_END && (store_backend.stat(file, &stat) || stat.bytes > FILE_BYTES))
        offset = 0;
    if (store_backend.write(file, offset, data, count, &done, &end))
        fail("a file cannot be written");
}

/* Half of them while they are open: freed later, by tidying. */
static uint32_t some_unlink(inode folder, const char *name, inode file)
{
    bool is_open = random_next() % 2 && store_backend.open(file) == FS_OK;
    uint32_t error = store_backend.unlink(folder, name, 1);
    if (is_open)
        store_backend.close(file);
    return error;
}

static void operation(uint32_t kind)
{
    inode folder = some_folder(), other = some_folder(), file;
    char name[2] = {(char)('a' + random_next() % NAMES), 0}, second[2] = {(char)('a' + random_next() % NAMES), 0};
    struct fs_stat stat = {0};
    bool is_there = store_backend.lookup(folder, name, 1, &file) == FS_OK && store_backend.stat(file, &stat) == FS_OK;
    uint32_t error = FS_OK;
    inode made;
    if (!is_there)
        error = kind == 0 ? store_backend.create(folder, name, 1, FS_TYPE_LINK, "target", 6, &made)
                          : store_backend.create(folder, name, 1, FS_TYPE_FILE, NULL, 0, &made);
    else if (kind < 6 && stat.type == FS_TYPE_FILE)
        some_write(file);
    else if (kind == 6 && stat.type == FS_TYPE_FILE)
        error = store_backend.resize(file, random_next() % FILE_BYTES);
    else if (kind == 7)
        error = some_unlink(folder, name, file);
    else if (kind == 8 && store_backend.lookup(other, second, 1, &made) == FS_ENOENT)
        error = store_backend.link(file, other, second, 1);
    else if (kind == 9 && !(store_backend.lookup(other, second, 1, &made) == FS_OK && made == file))
        error = store_backend.rename(folder, name, 1, other, second, 1);
    if (error)
        fail("an operation failed");
}

/* ---- the machine that is cut off ----------------------------------------------------------------------------- */

static void power_gone(void)
{
    _exit(STATUS_CUT);
}

static void machine(uint64_t seed, uint64_t cut_after)
{
    random_state = seed * 0x2545f4914f6cdd1dull | 1;
    clock_ns = seed << 32;
    model_disk_start(&medium, seed, cut_after, power_gone);
    store_memory_start(say);
    const char *problem = store_open(seed, wall_clock);
    if (problem)
        fail(problem);
    journal->count = journal->acknowledged = 0;
    state_note(1000);
    for (;;) {
        uint32_t kind = (uint32_t)(random_next() % 14);
        if (kind >= 10 && kind < 12) {
            uint32_t before = journal->count - 1;
            if (store_commit())
                fail("a sync failed");
            journal->acknowledged = before;
            continue;
        }
        if (kind == 12) {
            (void)store_backend.tidy();
            continue;
        }
        operation(kind);
        state_note(kind);
    }
}

/* ---- and the one that comes after ---------------------------------------------------------------------------- */

static bool integrity_is_good(void)
{
    sqlite3 *database = sqlite3_db_handle(statement_bind(SQL_BEGIN, 0, NULL));
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(database, "PRAGMA integrity_check", -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW)
        return false;
    bool is_good = strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
    if (!is_good)
        fprintf(stderr, "cuts: %s\n", sqlite3_column_text(statement, 0));
    (void)sqlite3_finalize(statement);
    return is_good;
}

static void inspection(uint64_t seed, uint64_t cut_after)
{
    model_disk_start(&medium, seed, cut_after, power_gone); /* it may be cut off while it empties the log */
    store_memory_start(say);
    const char *problem = store_open(seed, wall_clock);
    if (problem)
        fail(problem);
    if (!integrity_is_good())
        fail("the database is damaged");
    uint64_t found = hash_directory(1, STORE_ROOT);
    while (store_backend.tidy())
        continue;
    if (hash_directory(1, STORE_ROOT) != found)
        fail("tidying changed what has a name");
    if (cut_after && (statement_run(SQL_COMMIT, 0, NULL) != SQLITE_OK || /* the store is always in a transaction */
                      sqlite3_wal_checkpoint_v2(sqlite3_db_handle(statement_bind(SQL_BEGIN, 0, NULL)), NULL,
                                                SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) != SQLITE_OK))
        fail("the log cannot be emptied");
    for (uint32_t i = journal->acknowledged; i < journal->count; i++)
        if (journal->states[i] == found)
            exit(STATUS_DONE);
    for (uint32_t i = 0; i < journal->acknowledged; i++)
        if (journal->states[i] == found)
            fprintf(stderr, "cuts: state %u is older than the acknowledged %u of %u\n", i, journal->acknowledged,
                    journal->count);
    fail("what is on the disks is not what was there after an operation since the last acknowledged sync");
}

static int in_child(void (*what)(uint64_t seed, uint64_t cut_after), uint64_t seed, uint64_t cut_after)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        what(seed, cut_after);
        _exit(STATUS_DONE);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        fail("a child did not end by itself");
    return WEXITSTATUS(status);
}

int main(int count, char **arguments)
{
    if (count < 2)
        fail("give an image");
    unsigned long cuts = count > 2 ? strtoul(arguments[2], NULL, 10) : 100;
    uint64_t seed = count > 3 ? strtoul(arguments[3], NULL, 10) : 1;
    if (!model_medium_open(&medium, arguments[1]))
        fail("the image cannot be opened");
    journal = mmap(NULL, sizeof(*journal), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t state = seed * 0x9e3779b97f4a7c15ull | 1, twice = 0;
    for (unsigned long i = 0; i < cuts; i++) {
        random_state = state;
        uint64_t cut_after = 1 + random_next() % (random_next() % 4 ? 60 : 600),
                 second = random_next() % 3 ? 0 : 1 + random_next() % 4;
        state = random_state;
        if (in_child(machine, seed * 1000003 + i, cut_after) != STATUS_CUT)
            fail("the machine ended by itself");
        int status = second ? in_child(inspection, seed + i, second) : STATUS_CUT;
        twice += second && status == STATUS_CUT;
        if (status == STATUS_CUT)
            status = in_child(inspection, seed + i, 0);
        if (status != STATUS_DONE) {
            fprintf(stderr, "cuts: seed %lu, cut %lu, within operation %lu of the disks\n", (unsigned long)seed, i,
                    (unsigned long)cut_after);
            return 1;
        }
    }
    printf("%lu power cuts (%lu of them twice), nothing acknowledged was lost\n", cuts, (unsigned long)twice);
    return 0;
}
