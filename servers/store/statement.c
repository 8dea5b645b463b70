/* See statement.h. servers/store/schema.sql has the tables. */
#include "statement.h"

#include <stddef.h>

#include "chunk.h"
#include "vfs.h"

static const char *const texts[STATEMENT_COUNT] = {
    [SQL_BEGIN] = "BEGIN",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_PAGES] = "PRAGMA page_count",
    [SQL_FREE_PAGES] = "PRAGMA freelist_count",
    [SQL_NODE_READ] = ("SELECT type, links, bytes, accessed_ns, modified_ns, changed_ns, quota, parent FROM inode"
                       " WHERE inode = ?1"),
    [SQL_NODE_WRITE] = ("UPDATE inode SET links = ?2, bytes = ?3, accessed_ns = ?4, modified_ns = ?5, changed_ns = ?6,"
                        " parent = ?7 WHERE inode = ?1"),
    [SQL_LOOKUP] = "SELECT inode FROM entry WHERE directory = ?1 AND name = ?2",
    [SQL_LIST] = ("SELECT entry, name, e.inode, type FROM entry AS e JOIN inode AS i ON i.inode = e.inode "
                  "WHERE directory = ?1 AND entry >= ?2 ORDER BY entry LIMIT ?3"),
    [SQL_TARGET] = "SELECT target FROM inode WHERE inode = ?1",
    [SQL_INODE_ADD] =
        ("INSERT INTO inode (type, links, bytes, accessed_ns, modified_ns, changed_ns, parent, quota, target)"
         " VALUES (?1, 1, ?2, ?3, ?3, ?3, ?4, ?5, ?6)"),
    [SQL_ENTRY_ADD] = "INSERT INTO entry (directory, inode, name) VALUES (?1, ?2, ?3)",
    [SQL_ENTRY_REMOVE] = "DELETE FROM entry WHERE directory = ?1 AND name = ?2",
    [SQL_ENTRY_MOVE] = "UPDATE entry SET directory = ?1, name = ?4 WHERE directory = ?2 AND name = ?3",
    [SQL_IS_EMPTY] = "SELECT 1 FROM entry WHERE directory = ?1 LIMIT 1",
    [SQL_INODE_REMOVE] = "DELETE FROM inode WHERE inode = ?1",
    [SQL_CHUNK_TAKE] = "SELECT take(data) FROM chunk WHERE chunk = ?1",
    [SQL_CHUNK_PUT] = "REPLACE INTO chunk (chunk, data) VALUES (?1, ?2)",
    [SQL_CHUNKS_LAST] = ("SELECT min(c), count(*) FROM "
                         "(SELECT chunk AS c FROM chunk WHERE chunk BETWEEN ?1 AND ?2 ORDER BY chunk DESC LIMIT ?3)"),
    [SQL_CHUNKS_REMOVE] = "DELETE FROM chunk WHERE chunk BETWEEN ?1 AND ?2",
    [SQL_QUOTA_READ] = "SELECT limit_bytes - used_bytes FROM quota WHERE directory = ?1",
    [SQL_QUOTA_ADD] = "UPDATE quota SET used_bytes = used_bytes + ?2 WHERE directory = ?1",
    [SQL_ORPHANS] = "SELECT inode FROM inode WHERE links = 0 AND inode > ?1 ORDER BY inode LIMIT 1",
};
static sqlite3_stmt *statements[STATEMENT_COUNT];

/* 16 MiB of cache: more than a transaction may grow, so that none is written before it is committed. */
static const char *const settings[] = {
    "PRAGMA trusted_schema = OFF", "PRAGMA locking_mode = EXCLUSIVE", "PRAGMA synchronous = NORMAL",
    "PRAGMA cache_size = -12288",  "PRAGMA wal_autocheckpoint = 0",   "PRAGMA journal_mode = WAL",
};

const char *statements_prepare(sqlite3 **database)
{
    if (sqlite3_open_v2(VFS_DATABASE, database, SQLITE_OPEN_READWRITE, VFS_NAME) != SQLITE_OK)
        return "the disks cannot be read";
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        if (sqlite3_exec(*database, settings[i], NULL, NULL, NULL) != SQLITE_OK)
            return "the first disk is no sound data.img: './tessera disk create' makes one";
    if (chunks_start(*database) != SQLITE_OK)
        return "there is too little memory";
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        if (sqlite3_prepare_v3(*database, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &statements[i], NULL) != SQLITE_OK)
            return "the first disk is a database, but not one of ours";
    return NULL;
}

sqlite3_stmt *statement_bind(enum statement which, unsigned count, const int64_t *values)
{
    for (unsigned i = 0; i < count; i++)
        (void)sqlite3_bind_int64(statements[which], (int)i + 1, values[i]);
    return statements[which];
}

int statement_step(enum statement which)
{
    return sqlite3_step(statements[which]);
}

void statement_reset(enum statement which)
{
    (void)sqlite3_reset(statements[which]);
    (void)sqlite3_clear_bindings(statements[which]);
}

int statement_run(enum statement which, unsigned count, const int64_t *values)
{
    (void)statement_bind(which, count, values);
    int result = statement_step(which);
    statement_reset(which);
    return result == SQLITE_DONE || result == SQLITE_ROW ? SQLITE_OK : result;
}
