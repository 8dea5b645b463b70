/* What every server of files is built on: sessions, handles, confined paths and the calls of proto/fs.h. A server gives
 * a backend, which knows files by inode number and names only within one directory, and calls file_server_run.
 *
 * The front guarantees to the backend: a name is 1 to FS_NAME_MAX bytes of UTF-8 without '/' or NUL and is neither "."
 * nor
 * ".."; a directory argument names a directory that exists; an inode that a handle holds was opened (`open`) and not
 * yet closed; data pointers are good for the bytes stated; nothing is called that the handle's access forbids.
 * Everything returns 0 or an errno of WASI's numbering, some FS_MORE.
 */
#ifndef TESSERA_FILE_SERVER_H
#define TESSERA_FILE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fs.h"
#include "proto/start.h"

enum fs_errno {
    FS_OK = 0,
    FS_EBADF = 8,
    FS_EEXIST = 20,
    FS_EFBIG = 22,
    FS_EILSEQ = 25,
    FS_EINVAL = 28,
    FS_EIO = 29,
    FS_EISDIR = 31,
    FS_ELOOP = 32,
    FS_EMFILE = 33,
    FS_EMLINK = 34,
    FS_ENAMETOOLONG = 37,
    FS_ENFILE = 41,
    FS_ENOENT = 44,
    FS_ENOMEM = 48,
    FS_ENOSPC = 51,
    FS_ENOSYS = 52,
    FS_ENOTDIR = 54,
    FS_ENOTEMPTY = 55,
    FS_ENOTSUP = 58,
    FS_EPERM = 63,
    FS_EROFS = 69,
    FS_EXDEV = 75,
    FS_ENOTCAPABLE = 76,
};

typedef uint64_t inode;

/* Handles of all clients together: so many files at most are open at a time. */
#define FILE_SERVER_PAGE_HANDLES 127u /* those that lie in one page */
#define FILE_SERVER_HANDLES      (256u * FILE_SERVER_PAGE_HANDLES)

struct file_entry {
    uint64_t next; /* cookie behind it; cookies of a directory stay good while it changes */
    inode inode;
    enum fs_type type;
    uint32_t name_bytes;
    char name[FS_NAME_MAX + 1];
};

struct file_backend {
    /* The root directory of a mount, by its number in the system description. E: ENOENT not of this server. */
    uint32_t (*root)(uint32_t mount, inode *root);
    /* E: ENOENT. */
    uint32_t (*lookup)(inode directory, const char *name, uint32_t bytes, inode *found);
    uint32_t (*parent)(inode directory, inode *parent);
    uint32_t (*stat)(inode file, struct fs_stat *stat);
    /* Keep a file that has no name any more until the last close. */
    uint32_t (*open)(inode file);
    void (*close)(inode file);
    /* Frees a few MiB of what files that are gone still take; true: ask again, there may be room now. */
    bool (*tidy)(void);

    uint32_t (*read)(inode file, uint64_t offset, void *bytes, uint32_t count, uint32_t *done);
    /* offset FS_AT_END: append; *end: behind what was written. Less than `count` only when at least one byte was
     * written. */
    uint32_t (*write)(inode file, uint64_t offset, const void *bytes, uint32_t count, uint32_t *done, uint64_t *end);
    /* Both do at most a few MiB at a time. FS_MORE: a piece was done, of `allocate` the first *done bytes; `resize`
     * left the file at a size in between. */
    uint32_t (*resize)(inode file, uint64_t bytes);
    uint32_t (*allocate)(inode file, uint64_t offset, uint64_t bytes, uint64_t *done);
    uint32_t (*times)(inode file, uint64_t accessed_ns, uint64_t modified_ns,
                      uint32_t which); /* no _NOW: already put in */
    uint32_t (*sync)(inode file, bool data_only);

    /* The first entry at or behind the cookie; E: ENOENT none. "." and ".." are the front's. */
    uint32_t (*list)(inode directory, uint64_t cookie, struct file_entry *entry);
    /* type FILE, DIRECTORY or LINK (with its target, not empty). E: EEXIST, ENOSPC, EROFS. */
    uint32_t (*create)(inode directory, const char *name, uint32_t bytes, enum fs_type type, const char *target,
                       uint32_t target_bytes, inode *made);
    uint32_t (*link)(inode file, inode directory, const char *name, uint32_t bytes);
    /* The entry is there and no directory. */
    uint32_t (*unlink)(inode directory, const char *name, uint32_t bytes);
    /* The entry is a directory. E: ENOTEMPTY. */
    uint32_t (*remove_directory)(inode directory, const char *name, uint32_t bytes);
    /* Both directories are of one mount. Replaces what has the new name, atomically; the front has checked that types
     * fit and that no directory goes below itself. E: ENOTEMPTY. */
    uint32_t (*rename)(inode from, const char *name, uint32_t bytes, inode to, const char *new_name,
                       uint32_t new_bytes);
    uint32_t (*readlink)(inode link, char *target, uint32_t size, uint32_t *bytes);
};

/* Serves `service` (the mounts' "server" in the system description) for good. `on_signal`, where not NULL, is called
 * with the bits of the process's notification that are not the front's own. */
_Noreturn void file_server_run(const struct start_page *start, const char *service, const struct file_backend *backend,
                               void (*on_signal)(uint64_t bits));
/* The service's name. */
const char *file_server_name(void);
/* Wall time in ns, 0 where the machine has no clock. */
uint64_t file_server_now_ns(void);

#endif
