/* The store's SQL: one prepared statement for each line of statement.c's table. */
#ifndef STORE_STATEMENT_H
#define STORE_STATEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "sqlite3.h"

enum statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_PAGES,
    SQL_FREE_PAGES,
    SQL_NODE_READ,
    SQL_NODE_WRITE,
    SQL_LOOKUP,
    SQL_LIST,
    SQL_TARGET,
    SQL_INODE_ADD,
    SQL_ENTRY_ADD,
    SQL_ENTRY_REMOVE,
    SQL_ENTRY_MOVE,
    SQL_IS_EMPTY,
    SQL_INODE_REMOVE,
    SQL_CHUNK_TAKE,
    SQL_CHUNK_PUT,
    SQL_CHUNKS_LAST,
    SQL_CHUNKS_REMOVE,
    SQL_QUOTA_READ,
    SQL_QUOTA_ADD,
    SQL_ORPHANS,
    STATEMENT_COUNT
};

/* Opens the database of the VFS. NULL, or what is wrong. */
const char *statements_prepare(sqlite3 **database);
/* Binds integers to ?1, ?2, ... and takes one step: SQLITE_ROW, SQLITE_DONE or an error. */
sqlite3_stmt *statement_bind(enum statement which, unsigned count, const int64_t *values);
int statement_step(enum statement which);
/* Behind every use, so that nothing stays locked. */
void statement_reset(enum statement which);
/* A statement that gives nothing back: SQLITE_OK or an error. */
int statement_run(enum statement which, unsigned count, const int64_t *values);

#define BIND(which, ...)                                                                                               \
    statement_bind(which, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (const int64_t[]){__VA_ARGS__})
#define RUN(which, ...)                                                                                                \
    statement_run(which, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (const int64_t[]){__VA_ARGS__})

#endif
