/* SQLite's files on two block devices: the database is DISK_DATA, its write-ahead log DISK_LOG, each from sector 0 on.
 *
 * Written for one connection in WAL mode with exclusive locking: no other file is ever opened, nobody else is locked
 * out, and both files are as long as their disks (the log ends at the first frame whose checksum is wrong).
 */
#ifndef STORE_VFS_H
#define STORE_VFS_H

#include <stdbool.h>
#include <stdint.h>

/* Names that SQLite is given. */
#define VFS_NAME     "tessera"
#define VFS_DATABASE "data"

/* Makes it the only VFS. `random` are salts for the log's checksums; `now_ns` is wall time. */
void vfs_start(uint64_t random, uint64_t (*now_ns)(void));
/* Writes what was gathered and flushes the log: what was committed survives a power cut. */
bool vfs_sync_log(void);

#endif
