/* See node.h. A place in memory belongs to all inodes whose numbers have the same remainder: the one used last has it.
 */
#include "node.h"

#include "statement.h"
#include "store.h"
#include "transaction.h"

#define PLACES     1024u
#define OPEN_SLOTS 65536u /* runs stay short: no more than half are used */

static struct place {
    inode file; /* 0: free */
    bool is_dirty;
    struct node node;
} places[PLACES];
static uint16_t dirty[PLACES]; /* places that became dirty, in this order; some may have been written since */
static uint32_t dirty_count;

_Static_assert(FILE_SERVER_HANDLES <= OPEN_SLOTS / 2, "every handle's file has a slot");

static struct open_file {
    inode file;
    uint32_t count; /* 0: free */
} open_files[OPEN_SLOTS];
static uint32_t open_count; /* files, however often each is open */

/* ---- rows ---------------------------------------------------------------------------------------------------- */

static int place_write(struct place *place)
{
    const struct node *node = &place->node;
    place->is_dirty = false;
    return RUN(SQL_NODE_WRITE, (int64_t)place->file, node->links, node->bytes, node->accessed, node->modified,
               node->changed, node->parent);
}

/* *place becomes the file's; another one's row is written. SQLite's result. */
static int place_take(inode file, struct place **place)
{
    *place = &places[file % PLACES];
    int result = (*place)->file != file && (*place)->is_dirty ? place_write(*place) : SQLITE_OK;
    (*place)->file = result == SQLITE_OK ? file : 0;
    return result;
}

/* A damaged disk has anything in it; what the other files compute with must be as it ought to be. */
static bool is_sane(const struct node *node)
{
    return (node->type == FS_TYPE_FILE || node->type == FS_TYPE_DIRECTORY || node->type == FS_TYPE_LINK) &&
           node->links >= 0 && node->bytes >= 0 && (uint64_t)node->bytes <= STORE_FILE_MAX && node->parent >= 0;
}

/* SQLITE_ROW: it is there. */
static int row_read(inode file, struct node *node)
{
    sqlite3_stmt *row = BIND(SQL_NODE_READ, (int64_t)file);
    int result = statement_step(SQL_NODE_READ);
    if (result == SQLITE_ROW)
        *node = (struct node){sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1), sqlite3_column_int64(row, 2),
                              sqlite3_column_int64(row, 3), sqlite3_column_int64(row, 4), sqlite3_column_int64(row, 5),
                              sqlite3_column_int64(row, 6), sqlite3_column_int64(row, 7)};
    statement_reset(SQL_NODE_READ);
    return result == SQLITE_ROW && !is_sane(node) ? SQLITE_CORRUPT : result;
}

uint32_t node_read(inode file, struct node *node)
{
    if (store_is_broken())
        return FS_EIO;
    struct place *place = &places[file % PLACES];
    if (file && place->file == file) {
        *node = place->node;
        return FS_OK;
    }
    int result = row_read(file, node);
    if (result != SQLITE_ROW)
        return result == SQLITE_DONE ? FS_ENOENT : FS_EIO;
    if (!place->is_dirty) /* else it waits for the next change: reading changes nothing */
        *place = (struct place){file, false, *node};
    return FS_OK;
}

uint32_t node_write(inode file, const struct node *node)
{
    struct place *place;
    uint32_t error = transaction_check(place_take(file, &place));
    if (error)
        return error;
    place->node = *node;
    if (!place->is_dirty && dirty_count == PLACES) /* full of places that were written since */
        error = transaction_check(nodes_write());
    if (!error && !place->is_dirty) {
        place->is_dirty = true;
        dirty[dirty_count++] = (uint16_t)(place - places);
    }
    return error;
}

uint32_t node_touch(inode file)
{
    struct node node;
    uint32_t error = node_read(file, &node);
    if (error)
        return error == FS_ENOENT ? FS_OK : error;
    node.modified = node.changed = store_now();
    return node_write(file, &node);
}

void node_added(inode file, const struct node *node)
{
    struct place *place = &places[file % PLACES];
    if (!place->is_dirty)
        *place = (struct place){file, false, *node};
}

void node_removed(inode file)
{
    struct place *place = &places[file % PLACES];
    if (place->file == file)
        *place = (struct place){0};
}

int nodes_write(void)
{
    int result = SQLITE_OK;
    for (uint32_t i = 0; i < dirty_count && result == SQLITE_OK; i++)
        if (places[dirty[i]].is_dirty)
            result = place_write(&places[dirty[i]]);
    dirty_count = 0;
    return result;
}

void nodes_forget(void)
{
    for (uint32_t i = 0; i < PLACES; i++)
        places[i] = (struct place){0};
    dirty_count = 0;
}

/* ---- quotas -------------------------------------------------------------------------------------------------- */

uint32_t quota_check(int64_t quota, int64_t bytes)
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

int quota_add(int64_t quota, int64_t bytes)
{
    return quota && bytes ? RUN(SQL_QUOTA_ADD, quota, bytes) : SQLITE_OK;
}

/* ---- handles ------------------------------------------------------------------------------------------------- */

static struct open_file *open_slot(inode file)
{
    for (uint32_t i = 0; i < OPEN_SLOTS; i++) {
        struct open_file *slot = &open_files[(file + i) % OPEN_SLOTS];
        if (slot->file == file || slot->file == 0)
            return slot;
    }
    return NULL;
}

bool node_is_open(inode file)
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
        struct open_file *home = open_slot(moved.file);
        if (home) /* always: one has just become free */
            *home = moved;
    }
}

uint32_t node_open(inode file)
{
    struct node node;
    uint32_t error = node_read(file, &node);
    if (error)
        return error;
    struct open_file *slot = open_slot(file);
    if (!slot) /* the front has no handle left sooner */
        return FS_ENFILE;
    slot->file = file;
    if (slot->count++ == 0)
        open_count++;
    return FS_OK;
}

bool node_close(inode file)
{
    struct open_file *slot = open_slot(file);
    if (!slot || slot->count == 0)
        return false;
    if (--slot->count > 0)
        return false;
    open_count--;
    open_slot_free(slot);
    return true;
}

uint32_t store_open_files(void)
{
    return open_count;
}
