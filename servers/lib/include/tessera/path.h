/* Paths of the file protocol, confined to a directory. One call resolves a whole path, and a server handles one request
 * at a time: nothing can change between a check and its use. */
#ifndef TESSERA_PATH_H
#define TESSERA_PATH_H

#include "tessera/file_server.h"

/* Where a path leads. */
struct place {
    inode directory; /* that holds the last component */
    inode file;      /* 0: there is no such entry */
    enum fs_type type;
    uint32_t bytes;
    bool has_slash; /* the path ends with a slash */
    bool is_self;   /* it ended with "." or "..": `file` is a directory, without a name here */
    bool is_above;  /* with ".." */
    char name[FS_NAME_MAX + 1];
};

/* What a path is made of. E: EINVAL a NUL, EILSEQ not UTF-8. */
uint32_t path_check(const char *path, uint32_t bytes);

/* What the last component is, when it is a symbolic link: followed when a slash comes behind it, always, or never. What
 * makes, removes or moves a name means that name itself, as on Linux, also with a slash. */
enum path_last { PATH_ITSELF, PATH_FOLLOW, PATH_NAME };

/* E: ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, ENOTCAPABLE
 * when it is absolute or leads out of the directory, and what the backend says. */
uint32_t path_walk(const struct file_backend *backend, inode directory, const char *path, uint32_t bytes,
                   enum path_last last, struct place *place);

#endif
