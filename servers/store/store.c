/* See store.h. Each operation is a few statements in the transaction that is open (transaction.h); when one of them
 * fails in a way that was not foreseen (an I/O error, no memory) the whole transaction is undone, and the next commit
 * says so. Names are names.c's, bytes chunk.c's, and what is known of a file node.c's business.
 */
#include "store.h"

#include "chunk.h"
#include "disk.h"
#include "names.h"
#include "node.h"
#include "statement.h"
#include "transaction.h"
#include "vfs.h"

#define LOG_BYTES_MIN   (24u << 20)
#define APPLICATION_ID  0x54535331
#define SCHEMA_VERSION  1
#define ALLOCATE_CHUNKS 128ul /* at a time */
#define TIDY_FILES      16    /* that are looked at, at a time */

/* ---- files --------------------------------------------------------------------------------------------------- */

static uint32_t backend_root(uint32_t mount, inode *root)
{
    (void)mount;
    *root = STORE_ROOT;
    return FS_OK;
}

static uint32_t backend_stat(inode file, struct fs_stat *stat)
{
    struct node node;
    uint32_t error = node_read(file, &node);
    if (error)
        return error;
    *stat = (struct fs_stat){
        .inode = file,
        .type = (uint64_t)node.type,
        .links = (uint64_t)node.links,
        .bytes = (uint64_t)node.bytes,
        .accessed_ns = (uint64_t)node.accessed,
        .modified_ns = (uint64_t)node.modified,
        .changed_ns = (uint64_t)node.changed,
    };
    return FS_OK;
}

static void backend_close(inode file)
{
    struct node node;
    if (node_close(file) && node_read(file, &node) == FS_OK && node.links == 0)
        orphans_wait();
}

static uint32_t backend_read(inode file, uint64_t offset, void *bytes, uint32_t count, uint32_t *done)
{
    struct node node;
    uint32_t error = node_read(file, &node);
    *done = 0;
    if (error || offset >= (uint64_t)node.bytes)
        return error;
    if (count > (uint64_t)node.bytes - offset)
        count = (uint32_t)((uint64_t)node.bytes - offset);
    error = chunks_get(file, offset, bytes, count);
    *done = error ? 0 : count;
    return error;
}

/* Room, quota and a transaction for `count` bytes at `offset`; the size afterwards. */
static uint32_t write_begin(const struct node *node, uint64_t offset, uint64_t count, uint64_t *size)
{
    if (offset > STORE_FILE_MAX || count > STORE_FILE_MAX - offset)
        return FS_EFBIG;
    *size = offset + count > (uint64_t)node->bytes ? offset + count : (uint64_t)node->bytes;
    uint64_t dirty = (count / STORE_CHUNK_BYTES + 5) * PAGE_SIZE;
    uint32_t error = quota_check(node->quota, (int64_t)*size - node->bytes);
    if (!error)
        error = room_take(dirty);
    return error ? error : change_begin(dirty);
}

/* After change_begin. */
static uint32_t size_changed(inode file, struct node *node, uint64_t size)
{
    uint32_t error = transaction_check(quota_add(node->quota, (int64_t)size - node->bytes));
    if (error)
        return error;
    node->bytes = (int64_t)size;
    node->modified = node->changed = store_now();
    return node_write(file, node);
}

static uint32_t backend_write(inode file, uint64_t offset, const void *bytes, uint32_t count, uint32_t *done,
                              uint64_t *end)
{
    struct node node;
    uint64_t size;
    uint32_t error = node_read(file, &node);
    *done = 0;
    if (error)
        return error;
    if (offset == FS_AT_END)
        offset = (uint64_t)node.bytes;
    *end = offset;
    error = write_begin(&node, offset, count, &size);
    if (error || count == 0)
        return error;
    error = chunks_put(file, (uint64_t)node.bytes, offset, bytes, count);
    if (!error)
        error = size_changed(file, &node, size);
    if (!error) {
        *done = count;
        *end = offset + count;
    }
    return error;
}

/* A piece from its end: when nobody asks for the next one, it has some size in between. */
static uint32_t file_cut(inode file, struct node *node, uint64_t bytes)
{
    uint64_t size = (uint64_t)node->bytes;
    uint32_t error = chunks_cut(file, bytes, &size);
    if (!error)
        error = size_changed(file, node, size);
    return error ? error : size > bytes ? FS_MORE : FS_OK;
}

static uint32_t backend_resize(inode file, uint64_t bytes)
{
    struct node node;
    uint64_t size;
    uint32_t error = node_read(file, &node);
    if (error)
        return error;
    if (bytes < (uint64_t)node.bytes)
        return file_cut(file, &node, bytes);
    error = write_begin(&node, bytes, 0, &size);
    return error ? error : size_changed(file, &node, size);
}

/* How much of a range is allocated at a time. */
static uint64_t allocate_piece(uint64_t offset, uint64_t bytes)
{
    uint64_t piece = ALLOCATE_CHUNKS * STORE_CHUNK_BYTES - offset % STORE_CHUNK_BYTES;
    return piece < bytes ? piece : bytes;
}

/* Room and quota for all of it, then a piece, the size first: no chunk lies behind a file's end, also after a power cut
 * in the middle. */
static uint32_t backend_allocate(inode file, uint64_t offset, uint64_t bytes, uint64_t *done)
{
    struct node node;
    uint64_t size, piece = allocate_piece(offset, bytes);
    uint32_t error = node_read(file, &node);
    *done = 0;
    if (error)
        return error;
    if (offset > STORE_FILE_MAX || bytes > STORE_FILE_MAX - offset)
        return FS_EFBIG;
    error = quota_check(node.quota, (int64_t)(offset + bytes) - node.bytes);
    room_unknown(); /* this may be large */
    if (!error)
        error = room_take(bytes / STORE_CHUNK_BYTES * PAGE_SIZE);
    if (!error && offset + piece > (uint64_t)node.bytes) {
        error = write_begin(&node, offset + piece, 0, &size);
        if (!error)
            error = size_changed(file, &node, size);
    }
    if (!error)
        error = chunks_allocate(file, offset, piece);
    *done = error ? 0 : piece;
    return error ? error : piece < bytes ? FS_MORE : FS_OK;
}

static uint32_t backend_times(inode file, uint64_t accessed_ns, uint64_t modified_ns, uint32_t which)
{
    struct node node;
    uint32_t error = node_read(file, &node);
    if (!error)
        error = change_begin(PAGE_SIZE);
    if (error)
        return error;
    if (which & FS_TIME_ACCESSED)
        node.accessed = (int64_t)accessed_ns;
    if (which & FS_TIME_MODIFIED)
        node.modified = (int64_t)modified_ns;
    node.changed = store_now();
    return node_write(file, &node);
}

static uint32_t backend_sync(inode file, bool data_only)
{
    (void)file;
    (void)data_only;
    return store_commit();
}

/* ---- files that are gone ------------------------------------------------------------------------------------- */

/* Rows without a name, of files that nobody has open: what was unlinked and is large, or was open then, or when the
 * last run ended. They are freed in the order of their numbers, again and again until a pass has met none. */
static bool has_orphans, has_new_orphans;
static int64_t orphan_before; /* where the pass goes on */

void orphans_wait(void)
{
    has_orphans = has_new_orphans = true;
    if (store_on_change)
        store_on_change();
}

bool store_is_untidy(void)
{
    return has_orphans;
}

static bool orphan_next(inode *file)
{
    sqlite3_stmt *row = BIND(SQL_ORPHANS, orphan_before);
    int64_t found = statement_step(SQL_ORPHANS) == SQLITE_ROW ? sqlite3_column_int64(row, 0) : 0;
    statement_reset(SQL_ORPHANS);
    *file = (inode)found;
    return found > orphan_before; /* a damaged index has any order */
}

static void pass_end(void)
{
    has_orphans = has_new_orphans;
    has_new_orphans = false;
    orphan_before = 0;
}

/* What the index calls an orphan may have a name all the same: somebody made it. */
static uint32_t orphan_free(inode file, bool *is_done)
{
    struct node node;
    uint32_t error = node_read(file, &node);
    *is_done = !error && node.links == 0 && !node_is_open(file);
    if (*is_done)
        return file_dropped(file);
    orphan_before = (int64_t)file;
    return error;
}

static bool backend_tidy(void)
{
    uint32_t error = has_orphans ? transaction_check(nodes_write()) : FS_OK;
    bool is_done = false;
    for (uint32_t i = 0; i < TIDY_FILES && has_orphans && !is_done && !error; i++) {
        inode file;
        if (orphan_next(&file))
            error = orphan_free(file, &is_done);
        else
            pass_end();
    }
    if (error) /* the next start tries again */
        has_orphans = false;
    return is_done || has_orphans;
}

const struct file_backend store_backend = {
    .root = backend_root,
    .lookup = names_lookup,
    .parent = names_parent,
    .stat = backend_stat,
    .open = node_open,
    .close = backend_close,
    .tidy = backend_tidy,
    .read = backend_read,
    .write = backend_write,
    .resize = backend_resize,
    .allocate = backend_allocate,
    .times = backend_times,
    .sync = backend_sync,
    .list = names_list,
    .create = names_create,
    .link = names_link,
    .unlink = names_unlink,
    .remove_directory = names_remove_directory,
    .rename = names_rename,
    .readlink = names_readlink,
};

/* ---- start --------------------------------------------------------------------------------------------------- */

static bool single_number(sqlite3 *database, const char *sql, int64_t *number)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) != SQLITE_OK)
        return false;
    bool is_there = sqlite3_step(statement) == SQLITE_ROW;
    if (is_there)
        *number = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return is_there;
}

static bool number_is(sqlite3 *database, const char *sql, int64_t wanted)
{
    int64_t number;
    return single_number(database, sql, &number) && number == wanted;
}

const char *store_open(uint64_t random, uint64_t (*now_ns)(void))
{
    int64_t bytes = 0;
    sqlite3 *database;
    vfs_start(random, now_ns);
    const char *problem = statements_prepare(&database);
    if (problem)
        return problem;
    if (!number_is(database, "PRAGMA application_id", APPLICATION_ID) ||
        !number_is(database, "PRAGMA user_version", SCHEMA_VERSION) ||
        !number_is(database, "PRAGMA page_size", PAGE_SIZE))
        return "the first disk is a database, but not one of ours";
    /* Views and triggers would run in our name; what has no page of its own is one, or a table that some module makes.
     */
    if (!number_is(database, "SELECT count(*) FROM sqlite_schema WHERE coalesce(rootpage, 0) = 0", 0))
        return "the first disk is a database with views or triggers, which ours have not";
    if (!single_number(database, "SELECT data_bytes FROM volume", &bytes))
        return "the volume has no size";
    int64_t disk_bytes = (int64_t)(disk_sectors(DISK_DATA) * DISK_SECTOR_BYTES);
    if (disk_bytes < bytes || disk_sectors(DISK_LOG) * DISK_SECTOR_BYTES < LOG_BYTES_MIN)
        return "a disk is shorter than the volume: './tessera disk prepare' extends it";
    char limit[64];
    (void)sqlite3_snprintf(sizeof(limit), limit, "PRAGMA max_page_count = %lld", (long long)bytes / PAGE_SIZE);
    bool is_good = sqlite3_exec(database, limit, NULL, NULL, NULL) == SQLITE_OK;
    transactions_start(database, bytes / PAGE_SIZE, now_ns);
    has_orphans = true;
    orphan_before = 0;
    if (!is_good)
        return "the database is damaged: './tessera disk check' tells more";
    return NULL;
}
