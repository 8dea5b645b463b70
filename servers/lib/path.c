/* See tessera/path.h. */
#include "tessera/path.h"

#include "tessera/text.h"

/* Room for what is left of a path after links were put into it. */
#define REST_BYTES (2 * FS_PATH_MAX)

struct walk {
    const struct file_backend *backend;
    inode root, at;
    uint32_t links;
    uint32_t first; /* of what is left: rest[first .. REST_BYTES) */
    char rest[REST_BYTES];
};

/* Well-formed sequences only: Unicode 15, table 3-7. */
static bool is_utf8(const uint8_t *text, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes;) {
        uint8_t lead = text[i++];
        uint32_t more = lead < 0x80 ? 0 : lead < 0xc2 ? 9 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : 9;
        if (more > bytes - i)
            return false;
        for (uint32_t k = 0; k < more; k++, i++) {
            uint8_t low = k > 0 ? 0x80 : lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
            uint8_t high = k > 0 ? 0xbf : lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
            if (text[i] < low || text[i] > high)
                return false;
        }
    }
    return true;
}

uint32_t path_check(const char *path, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        if (path[i] == 0)
            return FS_EINVAL;
    return is_utf8((const uint8_t *)path, bytes) ? FS_OK : FS_EILSEQ;
}

/* Puts text before what is left. */
static uint32_t rest_prepend(struct walk *walk, const char *text, uint32_t bytes)
{
    if (bytes > walk->first)
        return FS_ENAMETOOLONG;
    walk->first -= bytes;
    memcpy(walk->rest + walk->first, text, bytes);
    return FS_OK;
}

static uint32_t link_follow(struct walk *walk, inode link)
{
    static char target[FS_PATH_MAX];
    uint32_t bytes = 0;
    uint32_t error = walk->backend->readlink(link, target, sizeof(target), &bytes);
    if (error)
        return error;
    if (++walk->links > FS_LINKS_MAX)
        return FS_ELOOP;
    if (bytes == 0)
        return FS_ENOENT;
    return target[0] == '/' ? FS_ENOTCAPABLE : rest_prepend(walk, target, bytes);
}

static void slashes_skip(struct walk *walk)
{
    while (walk->first < REST_BYTES && walk->rest[walk->first] == '/')
        walk->first++;
}

/* "." and ".."; false when the component is a name. */
static bool dots_step(struct walk *walk, const char *name, uint32_t bytes, uint32_t *error)
{
    *error = FS_OK;
    if (bytes > 2 || name[0] != '.' || name[bytes - 1] != '.')
        return false;
    if (bytes == 2)
        *error = walk->at == walk->root ? FS_ENOTCAPABLE : walk->backend->parent(walk->at, &walk->at);
    return true;
}

static uint32_t type_of(const struct file_backend *backend, inode file, enum fs_type *type)
{
    struct fs_stat stat;
    uint32_t error = backend->stat(file, &stat);
    *type = error ? FS_TYPE_UNKNOWN : (enum fs_type)stat.type;
    return error;
}

/* One component; *is_done when the walk has ended, with or without an error. */
static uint32_t step(struct walk *walk, enum path_last last, struct place *place, bool *is_done)
{
    uint32_t start = walk->first, end = start, error;
    while (end < REST_BYTES && walk->rest[end] != '/')
        end++;
    uint32_t bytes = end - start;
    *is_done = true;
    if (bytes > FS_NAME_MAX)
        return FS_ENAMETOOLONG;
    walk->first = end;
    bool has_slash = end < REST_BYTES;
    slashes_skip(walk);
    bool is_last = walk->first == REST_BYTES;
    if (dots_step(walk, walk->rest + start, bytes, &error)) {
        *is_done = error != FS_OK;
        return error;
    }
    *place = (struct place){.directory = walk->at, .bytes = bytes, .has_slash = has_slash};
    memcpy(place->name, walk->rest + start, bytes);
    error = walk->backend->lookup(walk->at, place->name, bytes, &place->file);
    if (error == FS_ENOENT && is_last) {
        place->file = 0;
        return FS_OK;
    }
    if (error || (error = type_of(walk->backend, place->file, &place->type)))
        return error;
    bool is_followed = !is_last || last == PATH_FOLLOW || (last == PATH_ITSELF && has_slash);
    if (place->type == FS_TYPE_LINK && is_followed) {
        walk->first -= has_slash; /* slashes count as one */
        error = link_follow(walk, place->file);
        *is_done = error != FS_OK;
        return error;
    }
    if ((!is_last || (has_slash && last != PATH_NAME)) && place->type != FS_TYPE_DIRECTORY)
        return FS_ENOTDIR;
    *is_done = is_last;
    if (!is_last)
        walk->at = place->file;
    return FS_OK;
}

/* It ends with "..", whatever slashes come behind. */
static bool is_above(const char *path, uint32_t bytes)
{
    while (bytes > 0 && path[bytes - 1] == '/')
        bytes--;
    return bytes >= 2 && path[bytes - 1] == '.' && path[bytes - 2] == '.';
}

uint32_t path_walk(const struct file_backend *backend, inode directory, const char *path, uint32_t bytes,
                   enum path_last last, struct place *place)
{
    static struct walk walk;
    walk.backend = backend;
    walk.root = walk.at = directory;
    walk.links = 0;
    walk.first = REST_BYTES;
    *place = (struct place){0};
    if (bytes == 0)
        return FS_ENOENT;
    if (path[0] == '/')
        return FS_ENOTCAPABLE;
    uint32_t error = rest_prepend(&walk, path, bytes);
    for (bool is_done = error != FS_OK; !is_done;) {
        if (walk.first == REST_BYTES) { /* it ended with "." or "..": a directory without a name of its own */
            *place = (struct place){.directory = walk.at,
                                    .file = walk.at,
                                    .type = FS_TYPE_DIRECTORY,
                                    .is_self = true,
                                    .is_above = is_above(path, bytes)};
            return FS_OK;
        }
        error = step(&walk, last, place, &is_done);
    }
    return error;
}
