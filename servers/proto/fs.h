/* The file protocol: calls of a program (its WASI library) on a server of files. docs/files.md explains it.
 *
 * A session joins one process and one server: a Call capability badged with who calls, and a window of FS_WINDOW_BYTES
 * that both map. The process server makes it when the program first asks (PROCESS_FILES_OPEN) and tells the server,
 * which asks (PROCESS_FILES_CLIENT, PROCESS_FILES_GRANT), what the client was granted. Every server of files answers
 * the same calls: `servers/fs` (memory, archive), the store.
 *
 * Request: label = enum fs_operation, w0 = a handle, other words as stated. Answer: label = errno of WASI's numbering,
 * words as stated. Names, paths, data and directory entries travel in the window from its beginning: paths are in the
 * window without NUL, a second path directly behind the first. The window is hostile to both sides: a path is copied
 * before it is looked at; of data, only its length is believed, and that comes in the message.
 *
 * Handles. Numbers of the session, given by the server, never used again while it runs. A path begins at a directory
 * handle and stays below it: one that is absolute, or leads out by `..` or by a symbolic link, is ENOTCAPABLE. What a
 * handle may is decided when it is opened and only shrinks.
 */
#ifndef PROTO_FS_H
#define PROTO_FS_H

#include <stdint.h>

#define FS_WINDOW_BYTES 65536u
#define FS_PATH_MAX     4096u /* bytes of a path; longer: ENAMETOOLONG */
#define FS_NAME_MAX     255u  /* and of one of its components */
#define FS_LINKS_MAX    40u   /* symbolic links on the way of one path; more: ELOOP */
#define FS_AT_END       UINT64_MAX

/* In place of an errno. No request takes a server long, however much it asks for: what is large is done in pieces, and
 * this says that one was done. The same request, sent again, goes on; FS_ALLOCATE behind the w0 bytes that it answers.
 */
#define FS_MORE 256u

/* `path`: word with the bytes of the path in the window. */
enum fs_operation {
    FS_ROOT = 1,  /* w0 number of the grant, from 0 -> w0 handle, w1 enum fs_access. EBADF: there is none. FS_MORE where
                     it has a quota and much is there already */
    FS_OPEN,      /* w1 path, w2 enum fs_open -> w0 handle, w1 filetype, w2 enum fs_access */
    FS_CLOSE,     /* */
    FS_READ,      /* w1 offset, w2 bytes (at most FS_WINDOW_BYTES) -> w0 bytes, in the window */
    FS_WRITE,     /* w1 offset or FS_AT_END, w2 bytes in the window -> w0 bytes, w1 offset behind them */
    FS_STAT,      /* -> struct fs_stat in w0 .. w7 */
    FS_STAT_PATH, /* w1 path, w2 enum fs_open (FS_OPEN_FOLLOW only) -> struct fs_stat */
    FS_RESIZE,    /* w1 bytes */
    FS_ALLOCATE,  /* w1 offset, w2 bytes: the file reaches at least so far, and its storage is there -> w0 bytes done */
    FS_TIMES,     /* w1 accessed, w2 modified (ns), w3 enum fs_times */
    FS_TIMES_PATH, /* w1 path, w2 enum fs_open (FS_OPEN_FOLLOW only), w3 accessed, w4 modified, w5 enum fs_times */
    FS_SYNC,       /* w1 1 = data only: answered when it would survive a power cut, where the storage can */
    FS_LIST, /* w1 cookie (0: from the beginning), w2 bytes -> w0 bytes, w1 1 = that was the end. In the window: for
                each entry struct fs_entry and its name, whole entries only. EINVAL: not one fits */
    FS_MAKE_DIRECTORY,   /* w1 path */
    FS_REMOVE_DIRECTORY, /* w1 path */
    FS_UNLINK,           /* w1 path */
    FS_RENAME,           /* w1 path, w2 handle of the other directory, w3 its path */
    FS_LINK,    /* w1 path, w2 handle of the new name's directory, w3 its path, w4 enum fs_open (FS_OPEN_FOLLOW only) */
    FS_SYMLINK, /* w1 path of the new link, w2 bytes of its target, behind the path */
    FS_READLINK, /* w1 path -> w0 bytes, in the window */
};

enum fs_open {
    FS_OPEN_FOLLOW = 1 << 0, /* the last component too, when it is a symbolic link */
    FS_OPEN_CREATE = 1 << 1,
    FS_OPEN_EXCLUSIVE = 1 << 2,
    FS_OPEN_TRUNCATE = 1 << 3,
    FS_OPEN_DIRECTORY = 1 << 4, /* ENOTDIR for anything else */
    FS_OPEN_READ = 1 << 5,      /* the access that is asked for; EROFS or ENOTCAPABLE where the directory has less */
    FS_OPEN_WRITE = 1 << 6,
    FS_OPEN_ALL = (1 << 7) - 1,
};

enum fs_access { FS_MAY_READ = 1 << 0, FS_MAY_WRITE = 1 << 1 };

enum fs_times { FS_TIME_ACCESSED = 1, FS_TIME_ACCESSED_NOW = 2, FS_TIME_MODIFIED = 4, FS_TIME_MODIFIED_NOW = 8 };

/* WASI's numbers. */
enum fs_type {
    FS_TYPE_UNKNOWN = 0,
    FS_TYPE_CHARACTER = 2, /* a device: no size, and no position in it matters */
    FS_TYPE_DIRECTORY = 3,
    FS_TYPE_FILE = 4,
    FS_TYPE_LINK = 7,
};

/* WASI's filestat. */
struct fs_stat {
    uint64_t device, inode, type, links, bytes;
    uint64_t accessed_ns, modified_ns, changed_ns;
};
_Static_assert(sizeof(struct fs_stat) == 64, "eight words, and WASI's filestat");

/* WASI's dirent; the name follows, without NUL or padding. */
struct fs_entry {
    uint64_t next; /* cookie of the entry behind this one */
    uint64_t inode;
    uint32_t name_bytes;
    uint32_t type;
};
_Static_assert(sizeof(struct fs_entry) == 24, "WASI's dirent");

#endif
