/* Quotas of granted directories, for tessera/file_server.h: how many bytes the files below one take together, and
 * BUDGET_NAME_BYTES for each name. It is counted when the directory is first opened with a quota, and from then on
 * while somebody holds it; the limit is each handle's own. Budgets have numbers from 1; 0 is none, and everything may
 * be called for it.
 */
#ifndef TESSERA_FILE_BUDGET_H
#define TESSERA_FILE_BUDGET_H

#include "tessera/file_server.h"

#define BUDGET_NAME_BYTES 512u

/* Of a granted directory; who uses it calls budget_hold. Counting takes several calls: `count` is where the caller
 * keeps how far it came, NULL at first and at the end. E: FS_MORE, ENFILE, ENAMETOOLONG (too many levels to count), and
 * the backend's. */
struct budget_count;
uint32_t budget_open(const struct file_backend *backend, uint32_t mount, inode root, struct budget_count **count,
                     uint32_t *number);
/* The caller goes. */
void budget_count_end(const struct file_backend *backend, struct budget_count **count);
void budget_hold(uint32_t number);
void budget_drop(uint32_t number);
uint64_t budget_left(uint32_t number, uint64_t limit);
void budget_add(uint32_t number, uint64_t bytes);
void budget_give(uint32_t number, uint64_t bytes);

#endif
