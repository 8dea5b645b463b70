/* See store.h. Each operation is a few statements in the transaction that is open; when one of them fails in a way that
 * was not foreseen (an I/O error, no memory) the whole transaction is undone, and the next commit says so.
 */
#include "store.h"

#include <string.h>

#include "disk.h"
#include "statement.h"
#include "vfs.h"

#define PAGE_SIZE         16384u
#define SPARE_PAGES       64 /* of the database, so that removing always works */
#define TRANSACTION_BYTES (8u << 20)
#define SIZE_MAX_BYTES    ((uint64_t)STORE_CHUNK_BYTES << 32)
#define CUT_CHUNKS        256 /* removed in one transaction */
#define OPEN_SLOTS        16384u
#define LOG_FRAME_BYTES   (PAGE_SIZE + 24u)
#define LOG_BYTES_MIN     (24u << 20)
#define APPLICATION_ID    0x54535331
#define SCHEMA_VERSION    1

struct node { /* a row of inode */
    int64_t type, links, bytes, accessed, modified, changed, quota;
};

static sqlite3 *database;
static bool in_transaction, has_lost;
static bool is_broken; /* the log lacks something that was written to it: only a new start knows what is there */
static uint64_t transaction_bytes; /* at most what it has made dirty */
static int64_t pages_max, pages_free;
static uint64_t log_frames;
static uint64_t (*wall_time)(void);
void (*store_on_change)(void);
static uint8_t chunk_buffer[STORE_CHUNK_BYTES];

static struct open_file {
    inode file;
    uint32_t count; /* 0: free */
} open_files[OPEN_SLOTS];
static uint32_t open_total;

/* ---- transactions -------------------------------------------------------------------------------------------- */

static int64_t now(void)
{
    return (int64_t)wall_time();
}

static uint32_t transaction_abandon(int result)
{
    if (in_transaction && !sqlite3_get_autocommit(database))
        (void)statement_run(SQL_ROLLBACK, 0, NULL);
    has_lost |= in_transaction;
    in_transaction = false;
    pages_free = 0;
    return result == SQLITE_FULL ? FS_ENOSPC : result == SQLITE_NOMEM ? FS_ENOMEM : FS_EIO;
}

/* The log is emptied into the database when it is half full. */
static uint32_t log_empty(void)
{
    if (log_frames * LOG_FRAME_BYTES < disk_sectors(DISK_LOG) * DISK_SECTOR_BYTES / 2)
        return FS_OK;
    int result = sqlite3_wal_checkpoint_v2(database, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return result == SQLITE_OK ? FS_OK : FS_EIO;
}

static uint32_t transaction_end(void)
{
    if (!in_transaction)
        return FS_OK;
    int result = statement_run(SQL_COMMIT, 0, NULL);
    if (result != SQLITE_OK)
        return transaction_abandon(result);
    in_transaction = false;
    return log_empty();
}

/* Before every change; `bytes` is what it may make dirty. Long transactions end here: the disk need not have it all
 * yet, but the log must have room for it. */
static uint32_t change_begin(uint64_t bytes)
{
    if (is_broken)
        return FS_EIO;
    if (in_transaction && transaction_bytes + bytes > TRANSACTION_BYTES) {
        uint32_t error = transaction_end();
        if (error)
            return error;
    }
    if (!in_transaction) {
        int result = statement_run(SQL_BEGIN, 0, NULL);
        if (result != SQLITE_OK)
            return transaction_abandon(result);
        in_transaction = true;
        transaction_bytes = 0;
        if (store_on_change)
            store_on_change();
    }
    transaction_bytes += bytes;
    return FS_OK;
}

/* True once the last commit is on the medium. */
static bool is_synced = true;

bool store_is_dirty(void)
{
    return in_transaction || !is_synced;
}

uint32_t store_commit(void)
{
    if (!store_is_dirty() && !has_lost)
        return FS_OK;
    uint32_t error = is_broken ? FS_EIO : transaction_end();
    if (!error && !vfs_sync_log()) {
        is_broken = true;
        error = FS_EIO;
    }
    if (!error)
        is_synced = true;
    if (!error && has_lost)
        error = FS_EIO;
    has_lost = false;
    return error;
}

static int log_grown(void *context, sqlite3 *connection, const char *name, int frames)
{
    (void)context;
    (void)connection;
    (void)name;
    log_frames = (uint64_t)frames;
    is_synced = false;
    return SQLITE_OK;
}

/* ---- room ---------------------------------------------------------------------------------------------------- */

static int64_t number_of(enum statement which)
{
    int64_t number = statement_step(which) == SQLITE_ROW ? sqlite3_column_int64(statement_bind(which, 0, NULL), 0) : 0;
    statement_reset(which);
    return number;
}

/* SQLITE_FULL would undo the transaction, so it is not let come so far. */
static uint32_t room_take(uint64_t bytes)
{
    int64_t pages = (int64_t)(bytes / PAGE_SIZE) + 8;
    if (pages_free < pages)
        pages_free = pages_max - number_of(SQL_PAGES) + number_of(SQL_FREE_PAGES) - SPARE_PAGES;
    if (pages_free < pages)
        return FS_ENOSPC;
    pages_free -= pages;
    return FS_OK;
}

/* A file of that quota grows by so many bytes (or shrinks). */
static uint32_t quota_check(int64_t quota, int64_t bytes)
{
    if (quota == 0 || bytes <= 0)
        return FS_OK;
    int64_t left = INT64_MAX;
    sqlite3_stmt *row = BIND(SQL_QUOTA_READ, quota);
    if (statement_step(SQL_QUOTA_READ) == SQLITE_ROW)
        left = sqlite3_column_int64(row, 0);
    statement_reset(SQL_QUOTA_READ);
    return bytes > left ? FS_ENOSPC : FS_OK;
}

static int quota_add(int64_t quota, int64_t bytes)
{
    return quota && bytes ? RUN(SQL_QUOTA_ADD, quota, bytes) : SQLITE_OK;
}

/* ---- inodes -------------------------------------------------------------------------------------------------- */

static uint32_t node_read(inode file, struct node *node)
{
    if (is_broken)
        return FS_EIO;
    sqlite3_stmt *row = BIND(SQL_STAT, (int64_t)file);
    int result = statement_step(SQL_STAT);
    if (result == SQLITE_ROW)
        *node = (struct node){sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1), sqlite3_column_int64(row, 2),
                              sqlite3_column_int64(row, 3), sqlite3_column_int64(row, 4), sqlite3_column_int64(row, 5),
                              sqlite3_column_int64(row, 6)};
    statement_reset(SQL_STAT);
    return result == SQLITE_ROW ? FS_OK : result == SQLITE_DONE ? FS_ENOENT : FS_EIO;
}

static struct open_file *open_slot(inode file)
{
    for (uint32_t i = 0; i < OPEN_SLOTS; i++) {
        struct open_file *slot = &open_files[(file + i) % OPEN_SLOTS];
        if (slot->file == file || slot->file == 0)
            return slot;
    }
    return NULL;
}

static bool is_open(inode file)
{
    const struct open_file *slot = open_slot(file);
    return slot && slot->file == file && slot->count > 0;
}

/* Keeps runs without gaps: what follows is put in again. */
static void open_slot_free(struct open_file *slot)
{
    uint32_t at = (uint32_t)(slot - open_files);
    *slot = (struct open_file){0};
    for (uint32_t i = 1; i < OPEN_SLOTS; i++) {
        struct open_file moved = open_files[(at + i) % OPEN_SLOTS];
        if (moved.file == 0)
            return;
        open_files[(at + i) % OPEN_SLOTS] = (struct open_file){0};
        *open_slot(moved.file) = moved;
    }
}

/* ---- chunks -------------------------------------------------------------------------------------------------- */

static int64_t chunk_key(inode file, uint64_t number)
{
    return (int64_t)(file << 32 | number);
}

/* Copies bytes [from, from + count) of a chunk; what is not there is zero. *have: how long it is. */
static bool chunk_read(inode file, uint64_t number, uint32_t from, void *to, uint32_t count, uint32_t *have)
{
    sqlite3_stmt *row = BIND(SQL_CHUNK_READ, chunk_key(file, number));
    int result = statement_step(SQL_CHUNK_READ);
    uint32_t bytes = result == SQLITE_ROW ? (uint32_t)sqlite3_column_bytes(row, 0) : 0;
    uint32_t part = bytes <= from ? 0 : bytes - from < count ? bytes - from : count;
    if (part > 0)
        memcpy(to, (const uint8_t *)sqlite3_column_blob(row, 0) + from, part);
    memset((uint8_t *)to + part, 0, count - part);
    statement_reset(SQL_CHUNK_READ);
    *have = bytes > STORE_CHUNK_BYTES ? STORE_CHUNK_BYTES : bytes;
    return result == SQLITE_ROW || result == SQLITE_DONE;
}

static int chunk_put(inode file, uint64_t number, const void *bytes, uint32_t count)
{
    sqlite3_stmt *row = BIND(SQL_CHUNK_PUT, chunk_key(file, number));
    (void)sqlite3_bind_blob(row, 2, bytes, (int)count, SQLITE_STATIC);
    return statement_run(SQL_CHUNK_PUT, 0, NULL);
}

/* A chunk that grows doubles, so that appending little by little does not write everything again and again. */
static uint32_t chunk_length(uint32_t have, uint32_t need)
{
    uint32_t length = have;
    if (need > have)
        length = need > 2 * have ? need : 2 * have;
    return length < STORE_CHUNK_BYTES ? length : STORE_CHUNK_BYTES;
}

static int chunk_write(inode file, uint64_t number, uint32_t from, const void *bytes, uint32_t count)
{
    uint32_t have;
    if (count == STORE_CHUNK_BYTES)
        return chunk_put(file, number, bytes, count);
    if (!chunk_read(file, number, 0, chunk_buffer, STORE_CHUNK_BYTES, &have))
        return SQLITE_IOERR;
    memcpy(chunk_buffer + from, bytes, count);
    return chunk_put(file, number, chunk_buffer, chunk_length(have, from + count));
}

/* Where the last CUT_CHUNKS that are there of chunks [first, end) begin; `first` when there are no more. Holes may be
 * as long as they like. */
static uint64_t piece_begin(inode file, uint64_t first, uint64_t end)
{
    if (end <= first)
        return first;
    uint64_t from = first;
    sqlite3_stmt *row = BIND(SQL_CHUNKS_LAST, chunk_key(file, first), chunk_key(file, end - 1), CUT_CHUNKS);
    if (statement_step(SQL_CHUNKS_LAST) == SQLITE_ROW && sqlite3_column_int64(row, 1) == CUT_CHUNKS)
        from = (uint64_t)sqlite3_column_int64(row, 0) & UINT32_MAX;
    statement_reset(SQL_CHUNKS_LAST);
    return from;
}

/* Makes a file shorter, from its end in pieces that fit a transaction each: after a power cut in the middle it has some
 * size in between. `is_removal`: it has no name any more, and its size does not matter. */
static uint32_t file_cut(inode file, const struct node *node, uint64_t bytes, bool is_removal)
{
    uint64_t first = (bytes + STORE_CHUNK_BYTES - 1) / STORE_CHUNK_BYTES, size = (uint64_t)node->bytes;
    uint64_t end = (size + STORE_CHUNK_BYTES - 1) / STORE_CHUNK_BYTES;
    uint32_t tail = bytes % STORE_CHUNK_BYTES, have;
    do {
        uint64_t from = piece_begin(file, first, end);
        uint64_t left = from == first ? bytes : from * STORE_CHUNK_BYTES;
        uint32_t error = change_begin(((end - first < CUT_CHUNKS ? end - first : CUT_CHUNKS) + 4) * PAGE_SIZE);
        if (error)
            return error;
        int result = end > from ? RUN(SQL_CHUNKS_REMOVE, chunk_key(file, from), chunk_key(file, end - 1)) : SQLITE_OK;
        if (result == SQLITE_OK && left == bytes && tail) {
            if (!chunk_read(file, first - 1, 0, chunk_buffer, tail, &have))
                return transaction_abandon(SQLITE_IOERR);
            if (have > tail)
                result = chunk_put(file, first - 1, chunk_buffer, tail);
        }
        if (result == SQLITE_OK)
            result = quota_add(node->quota, (int64_t)(left - size));
        if (result == SQLITE_OK && !is_removal)
            result = RUN(SQL_SIZE_SET, (int64_t)file, (int64_t)left, now());
        if (result != SQLITE_OK)
            return transaction_abandon(result);
        size = left;
        end = from;
    } while (size > bytes);
    return FS_OK;
}

/* The last name and the last handle are gone. */
static uint32_t inode_remove(inode file, const struct node *node)
{
    uint32_t error = FS_OK;
    if (node->type == FS_TYPE_FILE)
        error = file_cut(file, node, 0, true);
    if (!error)
        error = change_begin(PAGE_SIZE);
    if (error)
        return error;
    int result = RUN(SQL_INODE_REMOVE, (int64_t)file);
    return result == SQLITE_OK ? FS_OK : transaction_abandon(result);
}

static uint32_t name_dropped(inode file)
{
    struct node node;
    uint32_t error = node_read(file, &node);
    return error ? error : node.links == 0 && !is_open(file) ? inode_remove(file, &node) : FS_OK;
}

/* ---- the backend: files -------------------------------------------------------------------------------------- */

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

static uint32_t backend_open(inode file)
{
    struct node node;
    uint32_t error = node_read(file, &node);
    if (error)
        return error;
    struct open_file *slot = open_slot(file);
    if (!slot || (slot->count == 0 && open_total >= OPEN_SLOTS / 4 * 3))
        return FS_ENFILE;
    slot->file = file;
    slot->count++;
    open_total++;
    return FS_OK;
}

static void backend_close(inode file)
{
    struct open_file *slot = open_slot(file);
    if (!slot || slot->count == 0)
        return;
    open_total--;
    if (--slot->count > 0)
        return;
    open_slot_free(slot);
    (void)name_dropped(file); /* a failure leaves it for the next start */
}

static uint32_t backend_read(inode file, uint64_t offset, void *bytes, uint32_t count, uint32_t *done)
{
    struct node node;
    uint8_t *to = bytes;
    uint32_t error = node_read(file, &node), have;
    *done = 0;
    if (error || offset >= (uint64_t)node.bytes)
        return error;
    if (count > (uint64_t)node.bytes - offset)
        count = (uint32_t)((uint64_t)node.bytes - offset);
    while (*done < count) {
        uint64_t at = offset + *done;
        uint32_t from = (uint32_t)(at % STORE_CHUNK_BYTES), part = STORE_CHUNK_BYTES - from;
        if (part > count - *done)
            part = count - *done;
        if (!chunk_read(file, at / STORE_CHUNK_BYTES, from, to + *done, part, &have))
            return FS_EIO;
        *done += part;
    }
    return FS_OK;
}

/* Room, quota and a transaction for `count` bytes at `offset`; the size afterwards. */
static uint32_t write_begin(const struct node *node, uint64_t offset, uint64_t count, uint64_t *size)
{
    if (offset > SIZE_MAX_BYTES || count > SIZE_MAX_BYTES - offset)
        return FS_EFBIG;
    *size = offset + count > (uint64_t)node->bytes ? offset + count : (uint64_t)node->bytes;
    uint64_t dirty = (count / STORE_CHUNK_BYTES + 5) * PAGE_SIZE;
    uint32_t error = quota_check(node->quota, (int64_t)*size - node->bytes);
    if (!error)
        error = room_take(dirty);
    return error ? error : change_begin(dirty);
}

static uint32_t size_changed(inode file, const struct node *node, uint64_t size)
{
    int result = quota_add(node->quota, (int64_t)size - node->bytes);
    if (result == SQLITE_OK)
        result = RUN(SQL_SIZE_SET, (int64_t)file, (int64_t)size, now());
    return result == SQLITE_OK ? FS_OK : transaction_abandon(result);
}

static uint32_t backend_write(inode file, uint64_t offset, const void *bytes, uint32_t count, uint32_t *done,
                              uint64_t *end)
{
    struct node node;
    uint64_t size;
    const uint8_t *from = bytes;
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
    for (uint32_t at = 0; at < count;) {
        uint32_t start = (uint32_t)((offset + at) % STORE_CHUNK_BYTES), part = STORE_CHUNK_BYTES - start;
        if (part > count - at)
            part = count - at;
        int result = chunk_write(file, (offset + at) / STORE_CHUNK_BYTES, start, from + at, part);
        if (result != SQLITE_OK)
            return transaction_abandon(result);
        at += part;
    }
    error = size_changed(file, &node, size);
    if (!error) {
        *done = count;
        *end = offset + count;
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
        return file_cut(file, &node, bytes, false);
    error = write_begin(&node, bytes, 0, &size);
    return error ? error : size_changed(file, &node, size);
}

/* Chunks that are not there yet, or shorter than they are to be, are written as zeroes. */
static uint32_t backend_allocate(inode file, uint64_t offset, uint64_t bytes)
{
    struct node node;
    uint64_t size;
    uint32_t error = node_read(file, &node), have;
    if (error)
        return error;
    if (offset > SIZE_MAX_BYTES || bytes > SIZE_MAX_BYTES - offset)
        return FS_EFBIG;
    pages_free = 0; /* ask anew: this may be large */
    error = room_take(bytes / STORE_CHUNK_BYTES * PAGE_SIZE);
    for (uint64_t at = offset; !error && at < offset + bytes;) {
        uint64_t number = at / STORE_CHUNK_BYTES, next = (number + 1) * STORE_CHUNK_BYTES;
        uint32_t need = next <= offset + bytes ? STORE_CHUNK_BYTES : (uint32_t)((offset + bytes) % STORE_CHUNK_BYTES);
        error = change_begin(2 * PAGE_SIZE);
        if (error)
            break;
        if (!chunk_read(file, number, 0, chunk_buffer, STORE_CHUNK_BYTES, &have))
            return transaction_abandon(SQLITE_IOERR);
        int result = have < need ? chunk_put(file, number, chunk_buffer, need) : SQLITE_OK;
        if (result != SQLITE_OK)
            return transaction_abandon(result);
        at = next;
    }
    if (!error && offset + bytes > (uint64_t)node.bytes)
        error = write_begin(&node, offset + bytes, 0, &size);
    if (!error && offset + bytes > (uint64_t)node.bytes)
        error = size_changed(file, &node, size);
    return error;
}

static uint32_t backend_times(inode file, uint64_t accessed_ns, uint64_t modified_ns, uint32_t which)
{
    struct node node;
    uint32_t error = node_read(file, &node);
    if (!error)
        error = change_begin(PAGE_SIZE);
    if (error)
        return error;
    int result = RUN(SQL_TIMES_SET, (int64_t)file, which & FS_TIME_ACCESSED ? (int64_t)accessed_ns : node.accessed,
                     which & FS_TIME_MODIFIED ? (int64_t)modified_ns : node.modified, now());
    return result == SQLITE_OK ? FS_OK : transaction_abandon(result);
}

static uint32_t backend_sync(inode file, bool data_only)
{
    (void)file;
    (void)data_only;
    return store_commit();
}

/* ---- the backend: names -------------------------------------------------------------------------------------- */

static void bind_name(enum statement which, int at, const char *name, uint32_t bytes)
{
    (void)sqlite3_bind_text(statement_bind(which, 0, NULL), at, name, (int)bytes, SQLITE_STATIC);
}

static uint32_t backend_lookup(inode directory, const char *name, uint32_t bytes, inode *found)
{
    sqlite3_stmt *row = BIND(SQL_LOOKUP, (int64_t)directory);
    bind_name(SQL_LOOKUP, 2, name, bytes);
    int result = statement_step(SQL_LOOKUP);
    if (result == SQLITE_ROW)
        *found = (inode)sqlite3_column_int64(row, 0);
    statement_reset(SQL_LOOKUP);
    return result == SQLITE_ROW ? FS_OK : result == SQLITE_DONE ? FS_ENOENT : FS_EIO;
}

static uint32_t backend_parent(inode directory, inode *parent)
{
    sqlite3_stmt *row = BIND(SQL_PARENT, (int64_t)directory);
    int result = statement_step(SQL_PARENT);
    if (result == SQLITE_ROW)
        *parent = (inode)sqlite3_column_int64(row, 0);
    statement_reset(SQL_PARENT);
    return result == SQLITE_ROW ? FS_OK : FS_EIO;
}

static uint32_t backend_list(inode directory, uint64_t cookie, struct file_entry *entry)
{
    /* Cookies 0 and 1 are the front's; entry n has n + 1. */
    int64_t first = cookie > (uint64_t)INT64_MAX ? INT64_MAX : cookie < 2 ? 1 : (int64_t)cookie - 1;
    sqlite3_stmt *row = BIND(SQL_LIST, (int64_t)directory, first);
    int result = statement_step(SQL_LIST);
    if (result == SQLITE_ROW) {
        uint32_t bytes = (uint32_t)sqlite3_column_bytes(row, 1);
        entry->next = (uint64_t)sqlite3_column_int64(row, 0) + 2;
        entry->inode = (inode)sqlite3_column_int64(row, 2);
        entry->type = (enum fs_type)sqlite3_column_int(row, 3);
        entry->name_bytes = bytes < FS_NAME_MAX ? bytes : FS_NAME_MAX;
        memcpy(entry->name, sqlite3_column_text(row, 1), entry->name_bytes);
        entry->name[entry->name_bytes] = 0;
    }
    statement_reset(SQL_LIST);
    return result == SQLITE_ROW ? FS_OK : result == SQLITE_DONE ? FS_ENOENT : FS_EIO;
}

static int entry_add(inode directory, inode file, const char *name, uint32_t bytes)
{
    (void)BIND(SQL_ENTRY_ADD, (int64_t)directory, (int64_t)file);
    bind_name(SQL_ENTRY_ADD, 3, name, bytes);
    return statement_run(SQL_ENTRY_ADD, 0, NULL);
}

static int entry_remove(inode directory, const char *name, uint32_t bytes)
{
    (void)BIND(SQL_ENTRY_REMOVE, (int64_t)directory);
    bind_name(SQL_ENTRY_REMOVE, 2, name, bytes);
    return statement_run(SQL_ENTRY_REMOVE, 0, NULL);
}

/* A directory that gets a new name in it: it may have been removed while it was open. */
static uint32_t directory_check(inode directory, struct node *node)
{
    uint32_t error = node_read(directory, node);
    return error ? error : node->links == 0 ? FS_ENOENT : FS_OK;
}

static uint32_t backend_create(inode directory, const char *name, uint32_t bytes, enum fs_type type, const char *target,
                               uint32_t target_bytes, inode *made)
{
    struct node parent;
    uint32_t error = directory_check(directory, &parent);
    if (!error)
        error = room_take(6 * PAGE_SIZE);
    if (!error)
        error = change_begin(6 * PAGE_SIZE);
    if (error)
        return error;
    sqlite3_stmt *row = BIND(SQL_INODE_ADD, type, target_bytes, now(),
                             type == FS_TYPE_DIRECTORY ? (int64_t)directory : 0, parent.quota);
    if (type == FS_TYPE_LINK)
        (void)sqlite3_bind_blob(row, 6, target, (int)target_bytes, SQLITE_STATIC);
    int result = statement_run(SQL_INODE_ADD, 0, NULL);
    inode file = (inode)sqlite3_last_insert_rowid(database);
    if (result == SQLITE_OK && file >> 31 != 0)
        result = SQLITE_FULL; /* a chunk's key has 31 bits for it */
    if (result == SQLITE_OK)
        result = entry_add(directory, file, name, bytes);
    if (result == SQLITE_OK)
        result = RUN(SQL_MODIFIED_SET, (int64_t)directory, now());
    *made = file;
    return result == SQLITE_OK ? FS_OK : transaction_abandon(result);
}

static uint32_t backend_link(inode file, inode directory, const char *name, uint32_t bytes)
{
    struct node parent = {0}, node = {0};
    uint32_t error = directory_check(directory, &parent);
    if (!error)
        error = node_read(file, &node);
    if (!error && node.links == 0)
        error = FS_ENOENT;
    if (!error && node.quota != parent.quota)
        error = FS_EXDEV;
    if (!error)
        error = room_take(4 * PAGE_SIZE);
    if (!error)
        error = change_begin(5 * PAGE_SIZE);
    if (error)
        return error;
    int result = RUN(SQL_LINKS_CHANGE, (int64_t)file, 1, now());
    if (result == SQLITE_OK)
        result = entry_add(directory, file, name, bytes);
    if (result == SQLITE_OK)
        result = RUN(SQL_MODIFIED_SET, (int64_t)directory, now());
    return result == SQLITE_OK ? FS_OK : transaction_abandon(result);
}

/* Takes a name away, and with the last one its file unless it is open. */
static uint32_t name_remove(inode directory, const char *name, uint32_t bytes, inode file)
{
    uint32_t error = change_begin(5 * PAGE_SIZE);
    if (error)
        return error;
    int result = entry_remove(directory, name, bytes);
    if (result == SQLITE_OK)
        result = RUN(SQL_LINKS_CHANGE, (int64_t)file, -1, now());
    if (result == SQLITE_OK)
        result = RUN(SQL_MODIFIED_SET, (int64_t)directory, now());
    return result == SQLITE_OK ? FS_OK : transaction_abandon(result);
}

static uint32_t backend_unlink(inode directory, const char *name, uint32_t bytes)
{
    inode file;
    uint32_t error = backend_lookup(directory, name, bytes, &file);
    if (!error)
        error = name_remove(directory, name, bytes, file);
    return error ? error : name_dropped(file);
}

static uint32_t empty_check(inode directory)
{
    (void)BIND(SQL_IS_EMPTY, (int64_t)directory);
    int result = statement_step(SQL_IS_EMPTY);
    statement_reset(SQL_IS_EMPTY);
    return result == SQLITE_ROW ? FS_ENOTEMPTY : result == SQLITE_DONE ? FS_OK : FS_EIO;
}

static uint32_t backend_remove_directory(inode directory, const char *name, uint32_t bytes)
{
    inode file;
    uint32_t error = backend_lookup(directory, name, bytes, &file);
    if (!error)
        error = empty_check(file);
    if (!error)
        error = name_remove(directory, name, bytes, file);
    return error ? error : name_dropped(file);
}

/* What has the new name already. E: as backend_rename. */
static uint32_t replaced_check(inode to, const char *name, uint32_t bytes, inode *replaced)
{
    struct node node;
    uint32_t error = backend_lookup(to, name, bytes, replaced);
    if (error == FS_ENOENT) {
        *replaced = 0;
        return FS_OK;
    }
    if (!error)
        error = node_read(*replaced, &node);
    return error ? error : node.type == FS_TYPE_DIRECTORY ? empty_check(*replaced) : FS_OK;
}

static uint32_t name_move(inode from, const char *name, uint32_t bytes, inode to, const char *new_name,
                          uint32_t new_bytes, inode file, bool is_directory)
{
    (void)BIND(SQL_ENTRY_MOVE, (int64_t)to, (int64_t)from);
    bind_name(SQL_ENTRY_MOVE, 3, name, bytes);
    bind_name(SQL_ENTRY_MOVE, 4, new_name, new_bytes);
    int result = statement_run(SQL_ENTRY_MOVE, 0, NULL);
    if (result == SQLITE_OK && is_directory)
        result = RUN(SQL_PARENT_SET, (int64_t)file, (int64_t)to);
    if (result == SQLITE_OK)
        result = RUN(SQL_LINKS_CHANGE, (int64_t)file, 0, now());
    if (result == SQLITE_OK)
        result = RUN(SQL_MODIFIED_SET, (int64_t)from, now());
    if (result == SQLITE_OK && to != from)
        result = RUN(SQL_MODIFIED_SET, (int64_t)to, now());
    return result == SQLITE_OK ? FS_OK : transaction_abandon(result);
}

static uint32_t backend_rename(inode from, const char *name, uint32_t bytes, inode to, const char *new_name,
                               uint32_t new_bytes)
{
    struct node node = {0}, source = {0}, destination = {0};
    inode file, replaced = 0;
    uint32_t error = backend_lookup(from, name, bytes, &file);
    if (!error)
        error = node_read(file, &node);
    if (!error)
        error = node_read(from, &source);
    if (!error)
        error = directory_check(to, &destination);
    if (!error && source.quota != destination.quota)
        error = FS_EXDEV;
    if (!error)
        error = replaced_check(to, new_name, new_bytes, &replaced);
    if (!error)
        error = room_take(4 * PAGE_SIZE);
    if (!error)
        error = change_begin(12 * PAGE_SIZE); /* both steps are of one transaction */
    if (!error && replaced) {
        transaction_bytes -= 5 * PAGE_SIZE;
        error = name_remove(to, new_name, new_bytes, replaced);
    }
    if (!error)
        error = name_move(from, name, bytes, to, new_name, new_bytes, file, node.type == FS_TYPE_DIRECTORY);
    return error || !replaced ? error : name_dropped(replaced);
}

static uint32_t backend_readlink(inode link, char *target, uint32_t size, uint32_t *bytes)
{
    sqlite3_stmt *row = BIND(SQL_TARGET, (int64_t)link);
    int result = statement_step(SQL_TARGET);
    if (result == SQLITE_ROW) {
        uint32_t length = (uint32_t)sqlite3_column_bytes(row, 0);
        *bytes = length < size ? length : size;
        if (*bytes > 0)
            memcpy(target, sqlite3_column_blob(row, 0), *bytes);
    }
    statement_reset(SQL_TARGET);
    return result == SQLITE_ROW ? FS_OK : FS_EIO;
}

const struct file_backend store_backend = {
    .root = backend_root,
    .lookup = backend_lookup,
    .parent = backend_parent,
    .stat = backend_stat,
    .open = backend_open,
    .close = backend_close,
    .read = backend_read,
    .write = backend_write,
    .resize = backend_resize,
    .allocate = backend_allocate,
    .times = backend_times,
    .sync = backend_sync,
    .list = backend_list,
    .create = backend_create,
    .link = backend_link,
    .unlink = backend_unlink,
    .remove_directory = backend_remove_directory,
    .rename = backend_rename,
    .readlink = backend_readlink,
};

uint32_t store_open_files(void)
{
    return open_total;
}

/* ---- start --------------------------------------------------------------------------------------------------- */

static bool single_number(const char *sql, int64_t *number)
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

static bool number_is(const char *sql, int64_t wanted)
{
    int64_t number;
    return single_number(sql, &number) && number == wanted;
}

/* Files that were open without a name when the last run ended. */
static uint32_t orphans_remove(void)
{
    uint32_t error = FS_OK;
    for (bool more = true; more && !error;) {
        more = statement_step(SQL_ORPHANS) == SQLITE_ROW;
        inode file = more ? (inode)sqlite3_column_int64(statement_bind(SQL_ORPHANS, 0, NULL), 0) : 0;
        statement_reset(SQL_ORPHANS);
        if (more)
            error = name_dropped(file);
    }
    return error;
}

const char *store_open(uint64_t random, uint64_t (*now_ns)(void))
{
    int64_t bytes = 0;
    wall_time = now_ns;
    vfs_start(random, now_ns);
    const char *problem = statements_prepare(&database);
    if (problem)
        return problem;
    if (!number_is("PRAGMA application_id", APPLICATION_ID) || !number_is("PRAGMA user_version", SCHEMA_VERSION) ||
        !number_is("PRAGMA page_size", PAGE_SIZE))
        return "the first disk is a database, but not one of ours";
    if (!single_number("SELECT data_bytes FROM volume", &bytes))
        return "the volume has no size";
    int64_t disk_bytes = (int64_t)(disk_sectors(DISK_DATA) * DISK_SECTOR_BYTES);
    if (disk_bytes < bytes || disk_sectors(DISK_LOG) * DISK_SECTOR_BYTES < LOG_BYTES_MIN)
        return "a disk is shorter than the volume: './tessera disk prepare' extends it";
    pages_max = bytes / PAGE_SIZE;
    (void)sqlite3_wal_hook(database, log_grown, NULL);
    char limit[64];
    (void)sqlite3_snprintf(sizeof(limit), limit, "PRAGMA max_page_count = %lld", (long long)pages_max);
    if (sqlite3_exec(database, limit, NULL, NULL, NULL) != SQLITE_OK || orphans_remove() || store_commit())
        return "the database is damaged: './tessera disk check' tells more";
    return NULL;
}
