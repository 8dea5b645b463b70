/* Files in memory: one tree of nodes for each mount. What a mount begins with may lie in the boot archive: such files
 * are read where they are and a page of one is copied when it is first written.
 *
 *   mount -> root node (directory)
 *              entries: in the order of their cookies, and in a hash table of (directory, name)
 *                -> node: directory | file: base bytes in the archive, pages that differ from them | link: target |
 *                         device: what takes all that is written, and gives nothing or zeros
 *
 * Everything is heap memory of this server and is counted against the mount's quota.
 */
#ifndef FS_TREE_H
#define FS_TREE_H

#include "tessera/file_server.h"

struct mount {
    bool is_mine, is_read_only, is_returned; /* returned: its changes go to the host at the end */
    uint32_t number;
    uint64_t quota_bytes, used_bytes;
    struct node *root;
};

struct entry {
    struct entry *hash_next, *previous, *next;
    struct node *directory, *node;
    uint64_t cookie;
    uint32_t hash, name_bytes;
    const char *name; /* in the archive, or behind this struct */
};

struct node {
    struct mount *mount;
    uint64_t number;
    uint32_t type; /* enum fs_type */
    uint32_t links, opens;
    bool is_changed;   /* since the mount was filled */
    bool is_unchecked; /* file: its member's checksum was not compared yet */
    uint64_t bytes;
    uint64_t accessed_ns, modified_ns, changed_ns;
    union {
        struct {
            struct entry *first, *last;
            struct node *parent;
            uint64_t next_cookie;
            struct entry *listed; /* the last one that was listed */
        } directory;
        struct {
            const uint8_t *base; /* the first base_bytes, where no page of our own stands */
            uint64_t base_bytes;
            uint8_t ***tables; /* [1 GiB / 2 MiB] of [2 MiB / 4 KiB] pages; NULL: none, reads as base or zeros */
            struct node *next_gone;
        } file;
        struct {
            const char *target;
            bool is_ours; /* of our heap, not of the archive */
        } link;
        struct {
            bool gives_zeros;
        } device;
    };
};

#define TREE_FILE_MAX (1ul << 30)

extern const struct file_backend tree_backend;

/* main.c: a mount by its number, or NULL; the checksum of the archive member that a file is. */
struct mount *fs_mount(uint32_t number);
bool fs_member_is_good(const struct node *file);

/* A new mount's root. NULL: no memory. */
struct node *tree_begin(struct mount *mount);
/* The directory at a path of names, made where it is missing; NULL: no memory, or something else is there. */
struct node *tree_directory(struct node *root, const char *path, size_t bytes);
/* An entry of a mount that is being filled; the name stays where it is. NULL: no memory, or the name is taken. */
struct node *tree_add(struct node *directory, const char *name, uint32_t bytes, enum fs_type type);
/* Bytes of a file; in *run how many follow at once. NULL: zeros. */
const uint8_t *tree_bytes(const struct node *file, uint64_t offset, uint64_t *run);

#endif
