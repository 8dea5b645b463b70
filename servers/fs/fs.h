/* Parts of the file server beside its trees. */
#ifndef FS_FS_H
#define FS_FS_H

#include "tree.h"

/* source.c: fills a mount from a cpio archive in the newc format, in place. NULL, or what is wrong. */
const char *source_read(struct mount *mount, const uint8_t *bytes, uint64_t size);

/* changes.c: sends a mount's content, of unchanged files only the names, to the host by the console. */
void changes_send(const struct mount *mount);

#endif
