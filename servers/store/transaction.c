/* See transaction.h. */
#include "transaction.h"

#include "chunk.h"
#include "disk.h"
#include "names.h"
#include "node.h"
#include "statement.h"
#include "store.h"
#include "vfs.h"

#define SPARE_PAGES       64 /* of the database, so that removing always works */
#define TRANSACTION_BYTES (8u << 20)
#define LOG_FRAME_BYTES   (PAGE_SIZE + 24u)

static sqlite3 *database;
static bool in_transaction, has_lost, is_broken;
static uint64_t transaction_bytes; /* at most what it has made dirty */
static int64_t pages_max, pages_free;
static uint64_t log_frames;
static uint64_t (*wall_time)(void);
static bool is_synced = true; /* the last commit is on the medium */
void (*store_on_change)(void);

int64_t store_now(void)
{
    return (int64_t)wall_time();
}

bool store_is_broken(void)
{
    return is_broken;
}

/* Each statement alone would begin and end one of its own. */
static int next_begin(void)
{
    return statement_run(SQL_BEGIN, 0, NULL);
}

uint32_t transaction_abandon(int result)
{
    nodes_forget();
    chunks_forget();
    names_forget();
    if (!sqlite3_get_autocommit(database))
        (void)statement_run(SQL_ROLLBACK, 0, NULL);
    (void)next_begin();
    has_lost |= in_transaction;
    in_transaction = false;
    pages_free = 0;
    return result == SQLITE_FULL ? FS_ENOSPC : result == SQLITE_NOMEM ? FS_ENOMEM : FS_EIO;
}

uint32_t transaction_check(int result)
{
    return result == SQLITE_OK ? FS_OK : transaction_abandon(result);
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
    int result = chunks_write();
    if (result == SQLITE_OK)
        result = nodes_write();
    if (result == SQLITE_OK)
        result = statement_run(SQL_COMMIT, 0, NULL);
    if (result != SQLITE_OK)
        return transaction_abandon(result);
    in_transaction = false;
    uint32_t error = log_empty();
    return next_begin() == SQLITE_OK ? error : FS_EIO;
}

/* Long transactions end here: the disk need not have it all yet, but the log must have room for it. */
uint32_t change_begin(uint64_t bytes)
{
    if (is_broken)
        return FS_EIO;
    if (in_transaction && transaction_bytes + bytes > TRANSACTION_BYTES) {
        uint32_t error = transaction_end();
        if (error)
            return error;
    }
    if (!in_transaction) {
        in_transaction = true;
        transaction_bytes = 0;
        if (store_on_change)
            store_on_change();
    }
    transaction_bytes += bytes;
    return FS_OK;
}

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

void room_unknown(void)
{
    pages_free = 0;
}

/* SQLITE_FULL would undo the transaction, so it is not let come so far. What chunk.c holds back has taken no pages yet.
 */
uint32_t room_take(uint64_t bytes)
{
    int64_t pages = (int64_t)(bytes / PAGE_SIZE) + 8;
    if (pages_free < pages) {
        int result = chunks_write();
        if (result != SQLITE_OK)
            return transaction_abandon(result);
        pages_free = pages_max - number_of(SQL_PAGES) + number_of(SQL_FREE_PAGES) - SPARE_PAGES;
    }
    if (pages_free < pages)
        return FS_ENOSPC;
    pages_free -= pages;
    return FS_OK;
}

void transactions_start(sqlite3 *opened, int64_t pages, uint64_t (*now_ns)(void))
{
    database = opened;
    pages_max = pages;
    pages_free = 0;
    wall_time = now_ns;
    nodes_forget();
    chunks_forget();
    names_forget();
    (void)sqlite3_wal_hook(database, log_grown, NULL);
    (void)next_begin();
}
