/* The backend's operations on names: what store.c puts into its table. */
#ifndef STORE_NAMES_H
#define STORE_NAMES_H

#include "tessera/file_server.h"

uint32_t names_lookup(inode directory, const char *name, uint32_t bytes, inode *found);
uint32_t names_parent(inode directory, inode *parent);
uint32_t names_list(inode directory, uint64_t cookie, struct file_entry *entry);
uint32_t names_create(inode directory, const char *name, uint32_t bytes, enum fs_type type, const char *target,
                      uint32_t target_bytes, inode *made);
uint32_t names_link(inode file, inode directory, const char *name, uint32_t bytes);
uint32_t names_unlink(inode directory, const char *name, uint32_t bytes);
uint32_t names_remove_directory(inode directory, const char *name, uint32_t bytes);
uint32_t names_rename(inode from, const char *name, uint32_t bytes, inode to, const char *new_name, uint32_t new_bytes);
uint32_t names_readlink(inode link, char *target, uint32_t size, uint32_t *bytes);

/* A file lost a name or its last handle: removes it when neither is left, or a piece of it and calls orphans_wait. */
uint32_t file_dropped(inode file);
/* store.c: a file that neither has any more is still there. */
void orphans_wait(void);

/* The database is another one, or what was done in it is undone. */
void names_forget(void);

#endif
