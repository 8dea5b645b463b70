/* Rows of the table inode, those used last in memory: read once, and written back when the transaction ends. */
#ifndef STORE_NODE_H
#define STORE_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "tessera/file_server.h"

struct node {
    int64_t type, links, bytes, accessed, modified, changed, quota, parent;
};

/* E: ENOENT, EIO. */
uint32_t node_read(inode file, struct node *node);
/* After change_begin. `type` and `quota` stay what they were. E: as transaction_abandon. */
uint32_t node_write(inode file, const struct node *node);
/* Its times: something in it has changed now. */
uint32_t node_touch(inode file);
/* The row is new, or gone. */
void node_added(inode file, const struct node *node);
void node_removed(inode file);

/* A file of that quota grows by so many bytes (or shrinks). E: ENOSPC. */
uint32_t quota_check(int64_t quota, int64_t bytes);
/* SQLite's result. */
int quota_add(int64_t quota, int64_t bytes);

/* Handles. E: ENFILE. */
uint32_t node_open(inode file);
/* True when that was the last one. */
bool node_close(inode file);
bool node_is_open(inode file);

/* SQLite's result: everything is in the transaction. */
int nodes_write(void);
void nodes_forget(void);

#endif
