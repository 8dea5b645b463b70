/* The transaction that gathers all changes, and the room on the disks.
 *
 * There is always a transaction; it begins to count as one with the first change. What node.c and chunk.c hold back in
 * memory is written into it before it is committed, and forgotten when it is undone.
 */
#ifndef STORE_TRANSACTION_H
#define STORE_TRANSACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "sqlite3.h"

#define PAGE_SIZE 16384u

int64_t store_now(void);
/* Before every change; `bytes` is what it may make dirty. E: EIO. */
uint32_t change_begin(uint64_t bytes);
/* A statement failed: undoes everything since the last commit, of which the next one tells. The errno for SQLite's. */
uint32_t transaction_abandon(int result);
/* The same, unless it is SQLITE_OK. */
uint32_t transaction_check(int result);
/* Room on the disk, before change_begin. E: ENOSPC. */
uint32_t room_take(uint64_t bytes);
/* The next room_take asks the database. */
void room_unknown(void);
/* The log lacks something that was written to it: only a new start knows what is there. */
bool store_is_broken(void);

void transactions_start(sqlite3 *database, int64_t pages_max, uint64_t (*now_ns)(void));

#endif
