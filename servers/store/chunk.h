/* Bytes of files: rows of the table chunk, those used last in memory, where reading and writing happen. What was
 * changed there is written into the transaction before it ends, or when another chunk takes the place.
 */
#ifndef STORE_CHUNK_H
#define STORE_CHUNK_H

#include <stdint.h>

#include "sqlite3.h"
#include "tessera/file_server.h"

/* Before the statements are prepared, which use a function of chunk.c. SQLite's result. */
int chunks_start(sqlite3 *opened);

/* `count` bytes of the file from `offset` on; what was never written is zero. E: EIO. */
uint32_t chunks_get(inode file, uint64_t offset, void *to, uint32_t count);
/* After change_begin. The file has `size` bytes so far. E: as transaction_abandon. */
uint32_t chunks_put(inode file, uint64_t size, uint64_t offset, const void *from, uint32_t count);
/* Storage for [offset, offset + bytes); as chunks_put, but begins the changes itself, as many as it takes. */
uint32_t chunks_allocate(inode file, uint64_t offset, uint64_t bytes);

/* Makes a file that has *size bytes shorter, to no less than `bytes`, by as much as fits one transaction, which it
 * begins. *size: what it has then. E: as change_begin and transaction_abandon. */
uint32_t chunks_cut(inode file, uint64_t bytes, uint64_t *size);

/* SQLite's result: everything is in the transaction. */
int chunks_write(void);
void chunks_forget(void);

#endif
