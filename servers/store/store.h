/* Files in a database: the store without its surroundings. main.c puts the file protocol before it, the tests a model.
 *
 * Changes gather in one transaction, which store_commit makes durable: all of it or nothing. So everything that is
 * synced together shares one commit, and after a power cut the store is as it was at some commit.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "tessera/file_server.h"

#define STORE_CHUNK_BYTES 16200u
#define STORE_FILE_MAX    ((uint64_t)STORE_CHUNK_BYTES << 32)
#define STORE_ROOT        1u

/* NULL, or what is wrong with the disks. */
const char *store_open(uint64_t random, uint64_t (*now_ns)(void));
/* What was done so far survives a power cut. E: EIO; what was done since the last commit may then be undone. */
uint32_t store_commit(void);
/* Called when something begins to be dirty; NULL: nobody wants to know. */
extern void (*store_on_change)(void);
/* There is something that the last commit did not cover. */
bool store_is_dirty(void);
/* Files that are gone still take room: the backend's `tidy` frees it, piece by piece. */
bool store_is_untidy(void);
/* Files that are open; the backend's `open` and `close` count. */
uint32_t store_open_files(void);

extern const struct file_backend store_backend;

#endif
