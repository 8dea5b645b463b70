/* The store's two disks as the VFS sees them. disk.c speaks the block protocol; the tests have a model.
 * Errors: false. What was transferred is then unknown.
 */
#ifndef STORE_DISK_H
#define STORE_DISK_H

#include <stdbool.h>
#include <stdint.h>

#define DISK_SECTOR_BYTES 512u
#define DISK_PIECE_BYTES  65536u /* most of one read or write */

enum disk { DISK_DATA, DISK_LOG, DISKS };

uint64_t disk_sectors(enum disk disk);
/* Any bytes, whose sectors are at most a piece. */
bool disk_read(enum disk disk, uint64_t offset, void *bytes, uint32_t count);
/* Where the bytes of the disk's next write are put together: a piece, the caller's until disk_write. */
uint8_t *disk_space(enum disk disk);
/* Writes `count` bytes from there, whole sectors, and returns at once; whether they were written is told by disk_flush.
 */
bool disk_write(enum disk disk, uint64_t sector, uint32_t count);
/* Everything written so far is on the medium. False: some of it is not, and nobody will write it again. */
bool disk_flush(enum disk disk);

#endif
