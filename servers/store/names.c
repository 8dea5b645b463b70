/* See names.h. */
#include "names.h"

#include <stdbool.h>
#include <string.h>

#include "chunk.h"
#include "node.h"
#include "statement.h"
#include "store.h"
#include "transaction.h"

#define NAME_REMOVE_BYTES (5 * PAGE_SIZE)

/* ---- entries ------------------------------------------------------------------------------------------------- */

static void bind_name(enum statement which, int at, const char *name, uint32_t bytes)
{
    (void)sqlite3_bind_text(statement_bind(which, 0, NULL), at, name, (int)bytes, SQLITE_STATIC);
}

/* Names that were looked up or made last: most paths are walked again and again. A place belongs to many names; the one
 * used last has it. */
#define KNOWN       4096u
#define KNOWN_BYTES 48u
static struct known {
    inode directory, file; /* 0: free */
    uint32_t bytes;
    char name[KNOWN_BYTES];
} known[KNOWN];

static struct known *known_place(inode directory, const char *name, uint32_t bytes)
{
    uint64_t hash = 0xcbf29ce484222325ull ^ directory; /* FNV-1a (Fowler, Noll, Vo) */
    for (uint32_t i = 0; i < bytes; i++)
        hash = (hash ^ (uint8_t)name[i]) * 0x100000001b3ull;
    return &known[(hash ^ hash >> 40) % KNOWN];
}

static bool known_is(const struct known *place, inode directory, const char *name, uint32_t bytes)
{
    return place->file && place->directory == directory && place->bytes == bytes &&
           memcmp(place->name, name, bytes) == 0;
}

static void known_put(inode directory, const char *name, uint32_t bytes, inode file)
{
    if (bytes > KNOWN_BYTES)
        return;
    struct known *place = known_place(directory, name, bytes);
    *place = (struct known){.directory = directory, .file = file, .bytes = bytes};
    memcpy(place->name, name, bytes);
}

static void known_drop(inode directory, const char *name, uint32_t bytes)
{
    struct known *place = known_place(directory, name, bytes);
    if (known_is(place, directory, name, bytes))
        place->file = 0;
}

uint32_t names_lookup(inode directory, const char *name, uint32_t bytes, inode *found)
{
    const struct known *place = known_place(directory, name, bytes);
    if (known_is(place, directory, name, bytes) && !store_is_broken()) {
        *found = place->file;
        return FS_OK;
    }
    sqlite3_stmt *row = BIND(SQL_LOOKUP, (int64_t)directory);
    bind_name(SQL_LOOKUP, 2, name, bytes);
    int result = statement_step(SQL_LOOKUP);
    if (result == SQLITE_ROW)
        *found = (inode)sqlite3_column_int64(row, 0);
    statement_reset(SQL_LOOKUP);
    if (result == SQLITE_ROW)
        known_put(directory, name, bytes, *found);
    return result == SQLITE_ROW ? FS_OK : result == SQLITE_DONE ? FS_ENOENT : FS_EIO;
}

uint32_t names_parent(inode directory, inode *parent)
{
    struct node node;
    uint32_t error = node_read(directory, &node);
    if (!error)
        *parent = (inode)node.parent;
    return error ? FS_EIO : FS_OK;
}

/* What was listed last: a directory is read from its beginning to its end, and a query costs as much as many rows. */
#define LISTED 16
static struct {
    inode directory; /* 0: nothing */
    uint64_t cookie; /* where it begins */
    uint32_t count;
    struct file_entry entries[LISTED];
} listed;

static void listed_forget(void)
{
    listed.directory = 0;
}

void names_forget(void)
{
    listed_forget();
    memset(known, 0, sizeof(known));
}

static void listed_add(sqlite3_stmt *row)
{
    struct file_entry *entry = &listed.entries[listed.count++];
    uint32_t bytes = (uint32_t)sqlite3_column_bytes(row, 1);
    entry->next = (uint64_t)sqlite3_column_int64(row, 0) + 2;
    entry->inode = (inode)sqlite3_column_int64(row, 2);
    entry->type = (enum fs_type)sqlite3_column_int(row, 3);
    entry->name_bytes = bytes < FS_NAME_MAX ? bytes : FS_NAME_MAX;
    memcpy(entry->name, sqlite3_column_text(row, 1), entry->name_bytes);
    entry->name[entry->name_bytes] = 0;
}

static bool list_from(inode directory, uint64_t cookie)
{
    /* Cookies 0 and 1 are the front's; entry n has n + 1. */
    int64_t first = cookie < 2 ? 1 : (int64_t)cookie - 1;
    sqlite3_stmt *row = BIND(SQL_LIST, (int64_t)directory, first, LISTED);
    int result;
    listed.count = 0;
    while ((result = statement_step(SQL_LIST)) == SQLITE_ROW && listed.count < LISTED)
        listed_add(row);
    statement_reset(SQL_LIST);
    listed.directory = directory;
    listed.cookie = cookie;
    return result == SQLITE_DONE || result == SQLITE_ROW;
}

/* The first of those that were listed which lies at or behind the cookie; NULL: they do not say. */
static const struct file_entry *listed_find(inode directory, uint64_t cookie)
{
    if (listed.directory != directory || cookie < listed.cookie)
        return NULL;
    for (uint32_t i = 0; i < listed.count; i++)
        if (listed.entries[i].next > cookie)
            return &listed.entries[i];
    return NULL;
}

uint32_t names_list(inode directory, uint64_t cookie, struct file_entry *entry)
{
    if (cookie > (uint64_t)INT64_MAX)
        return FS_ENOENT;
    const struct file_entry *found = listed_find(directory, cookie);
    if (!found) {
        if (!list_from(directory, cookie)) {
            listed_forget();
            return FS_EIO;
        }
        found = listed_find(directory, cookie);
    }
    if (!found)
        return FS_ENOENT;
    *entry = *found;
    return FS_OK;
}

static int entry_add(inode directory, inode file, const char *name, uint32_t bytes)
{
    listed_forget();
    (void)BIND(SQL_ENTRY_ADD, (int64_t)directory, (int64_t)file);
    bind_name(SQL_ENTRY_ADD, 3, name, bytes);
    int result = statement_run(SQL_ENTRY_ADD, 0, NULL);
    if (result == SQLITE_OK)
        known_put(directory, name, bytes, file);
    return result;
}

static int entry_remove(inode directory, const char *name, uint32_t bytes)
{
    listed_forget();
    known_drop(directory, name, bytes);
    (void)BIND(SQL_ENTRY_REMOVE, (int64_t)directory);
    bind_name(SQL_ENTRY_REMOVE, 2, name, bytes);
    return statement_run(SQL_ENTRY_REMOVE, 0, NULL);
}

/* ---- new names ----------------------------------------------------------------------------------------------- */

/* A directory that gets a new name in it: it may have been removed while it was open. */
static uint32_t directory_check(inode directory, struct node *node)
{
    uint32_t error = node_read(directory, node);
    return error ? error : node->links == 0 ? FS_ENOENT : FS_OK;
}

static uint32_t inode_add(const struct node *node, const char *target, inode *made)
{
    sqlite3_stmt *row = BIND(SQL_INODE_ADD, node->type, node->bytes, node->changed, node->parent, node->quota);
    if (node->type == FS_TYPE_LINK)
        (void)sqlite3_bind_blob(row, 6, target, (int)node->bytes, SQLITE_STATIC);
    int result = statement_run(SQL_INODE_ADD, 0, NULL);
    if (result == SQLITE_OK) {
        *made = (inode)sqlite3_last_insert_rowid(sqlite3_db_handle(row));
        if (*made >> 31 != 0)
            result = SQLITE_FULL; /* a chunk's key has 31 bits for it */
    }
    if (result == SQLITE_OK)
        node_added(*made, node);
    return transaction_check(result);
}

uint32_t names_create(inode directory, const char *name, uint32_t bytes, enum fs_type type, const char *target,
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
    int64_t now = store_now();
    struct node node = {type, 1,   target_bytes, now,
                        now,  now, parent.quota, type == FS_TYPE_DIRECTORY ? (int64_t)directory : 0};
    error = inode_add(&node, target, made);
    if (!error)
        error = transaction_check(entry_add(directory, *made, name, bytes));
    return error ? error : node_touch(directory);
}

/* The file has so many names more, or fewer. */
static uint32_t links_change(inode file, int64_t by)
{
    struct node node;
    uint32_t error = node_read(file, &node);
    if (error)
        return error;
    node.links += by;
    node.changed = store_now();
    return node_write(file, &node);
}

uint32_t names_link(inode file, inode directory, const char *name, uint32_t bytes)
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
    if (!error)
        error = links_change(file, 1);
    if (!error)
        error = transaction_check(entry_add(directory, file, name, bytes));
    return error ? error : node_touch(directory);
}

/* ---- names that go ------------------------------------------------------------------------------------------- */

/* A piece of the file goes, from its end. */
static uint32_t piece_remove(inode file, struct node *node)
{
    uint64_t size = (uint64_t)node->bytes;
    uint32_t error = chunks_cut(file, 0, &size);
    if (!error)
        error = transaction_check(quota_add(node->quota, (int64_t)size - node->bytes));
    node->bytes = (int64_t)size;
    return error ? error : node_write(file, node);
}

/* The last name and the last handle are gone. Of a large file the rest goes later. */
static uint32_t inode_remove(inode file, struct node *node)
{
    uint32_t error = FS_OK;
    if (node->type == FS_TYPE_FILE && node->bytes > 0)
        error = piece_remove(file, node);
    if (!error && node->type == FS_TYPE_FILE && node->bytes > 0) {
        orphans_wait();
        return FS_OK;
    }
    if (!error)
        error = change_begin(PAGE_SIZE);
    if (error)
        return error;
    node_removed(file);
    return transaction_check(RUN(SQL_INODE_REMOVE, (int64_t)file));
}

uint32_t file_dropped(inode file)
{
    struct node node;
    uint32_t error = node_read(file, &node);
    return error ? error : node.links == 0 && !node_is_open(file) ? inode_remove(file, &node) : FS_OK;
}

/* Takes a name away, after change_begin; who calls it looks whether that was the last. */
static uint32_t name_remove(inode directory, const char *name, uint32_t bytes, inode file)
{
    uint32_t error = transaction_check(entry_remove(directory, name, bytes));
    if (!error)
        error = links_change(file, -1);
    return error ? error : node_touch(directory);
}

uint32_t names_unlink(inode directory, const char *name, uint32_t bytes)
{
    inode file;
    uint32_t error = names_lookup(directory, name, bytes, &file);
    if (!error)
        error = change_begin(NAME_REMOVE_BYTES);
    if (!error)
        error = name_remove(directory, name, bytes, file);
    return error ? error : file_dropped(file);
}

static uint32_t empty_check(inode directory)
{
    (void)BIND(SQL_IS_EMPTY, (int64_t)directory);
    int result = statement_step(SQL_IS_EMPTY);
    statement_reset(SQL_IS_EMPTY);
    return result == SQLITE_ROW ? FS_ENOTEMPTY : result == SQLITE_DONE ? FS_OK : FS_EIO;
}

uint32_t names_remove_directory(inode directory, const char *name, uint32_t bytes)
{
    inode file;
    uint32_t error = names_lookup(directory, name, bytes, &file);
    if (!error)
        error = empty_check(file);
    if (!error)
        error = change_begin(NAME_REMOVE_BYTES);
    if (!error)
        error = name_remove(directory, name, bytes, file);
    return error ? error : file_dropped(file);
}

/* ---- names that move ----------------------------------------------------------------------------------------- */

/* What has the new name already. E: as names_rename. */
static uint32_t replaced_check(inode to, const char *name, uint32_t bytes, inode *replaced)
{
    struct node node;
    uint32_t error = names_lookup(to, name, bytes, replaced);
    if (error == FS_ENOENT) {
        *replaced = 0;
        return FS_OK;
    }
    if (!error)
        error = node_read(*replaced, &node);
    return error ? error : node.type == FS_TYPE_DIRECTORY ? empty_check(*replaced) : FS_OK;
}

static uint32_t moved_mark(inode file, inode to)
{
    struct node node;
    uint32_t error = node_read(file, &node);
    if (error)
        return error;
    if (node.type == FS_TYPE_DIRECTORY)
        node.parent = (int64_t)to;
    node.changed = store_now();
    return node_write(file, &node);
}

static uint32_t name_move(inode from, const char *name, uint32_t bytes, inode to, const char *new_name,
                          uint32_t new_bytes, inode file)
{
    listed_forget();
    known_drop(from, name, bytes);
    known_drop(to, new_name, new_bytes);
    (void)BIND(SQL_ENTRY_MOVE, (int64_t)to, (int64_t)from);
    bind_name(SQL_ENTRY_MOVE, 3, name, bytes);
    bind_name(SQL_ENTRY_MOVE, 4, new_name, new_bytes);
    uint32_t error = transaction_check(statement_run(SQL_ENTRY_MOVE, 0, NULL));
    if (!error)
        error = moved_mark(file, to);
    if (!error)
        error = node_touch(from);
    return error || to == from ? error : node_touch(to);
}

uint32_t names_rename(inode from, const char *name, uint32_t bytes, inode to, const char *new_name, uint32_t new_bytes)
{
    struct node source = {0}, destination = {0};
    inode file, replaced = 0;
    uint32_t error = names_lookup(from, name, bytes, &file);
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
        error = change_begin(7 * PAGE_SIZE + NAME_REMOVE_BYTES); /* both steps are of one transaction */
    if (!error && replaced)
        error = name_remove(to, new_name, new_bytes, replaced);
    if (!error)
        error = name_move(from, name, bytes, to, new_name, new_bytes, file);
    return error || !replaced ? error : file_dropped(replaced);
}

uint32_t names_readlink(inode link, char *target, uint32_t size, uint32_t *bytes)
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
