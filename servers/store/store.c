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

#define LOG_BYTES_MIN  (24u << 20)
#define APPLICATION_ID 0x54535331
#define SCHEMA_VERSION 1

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
    if (node_close(file))
        (void)file_dropped(file); /* a failure leaves it for the next start */
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

/* From its end in pieces that fit a transaction each: after a power cut in the middle it has some size in between. */
static uint32_t file_cut(inode file, struct node *node, uint64_t bytes)
{
    uint32_t error = FS_OK;
    for (uint64_t size = (uint64_t)node->bytes; !error && size > bytes;) {
        error = chunks_cut(file, bytes, &size);
        if (!error)
            error = size_changed(file, node, size);
    }
    return error;
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

/* The size first: no chunk lies behind a file's end, also after a power cut in the middle. */
static uint32_t backend_allocate(inode file, uint64_t offset, uint64_t bytes)
{
    struct node node;
    uint64_t size;
    uint32_t error = node_read(file, &node);
    if (error)
        return error;
    if (offset > STORE_FILE_MAX || bytes > STORE_FILE_MAX - offset)
        return FS_EFBIG;
    room_unknown(); /* this may be large */
    error = room_take(bytes / STORE_CHUNK_BYTES * PAGE_SIZE);
    if (!error && offset + bytes > (uint64_t)node.bytes) {
        error = write_begin(&node, offset + bytes, 0, &size);
        if (!error)
            error = size_changed(file, &node, size);
    }
    return error ? error : chunks_allocate(file, offset, bytes);
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

const struct file_backend store_backend = {
    .root = backend_root,
    .lookup = names_lookup,
    .parent = names_parent,
    .stat = backend_stat,
    .open = node_open,
    .close = backend_close,
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

/* Files that were open without a name when the last run ended. What the index calls one may have a name all the same:
 * somebody made it. */
static uint32_t orphans_remove(void)
{
    uint32_t error = FS_OK;
    struct node node;
    for (bool more = true; more && !error;) {
        more = statement_step(SQL_ORPHANS) == SQLITE_ROW;
        inode file = more ? (inode)sqlite3_column_int64(statement_bind(SQL_ORPHANS, 0, NULL), 0) : 0;
        statement_reset(SQL_ORPHANS);
        if (more)
            error = node_read(file, &node);
        if (more && !error)
            error = node.links == 0 ? file_dropped(file) : FS_EIO;
    }
    return error;
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
    if (!is_good || orphans_remove() || store_commit())
        return "the database is damaged: './tessera disk check' tells more";
    return NULL;
}
