/* Files that a child begins with as its standard streams, and the folder: proc_spawn2's operations open and chdir.
 *
 * An open file belongs to the session of who opened it, so the child opens its own, with its own permission, before it
 * runs. Its parent has opened it first: so what is wrong with the path is proc_spawn2's error, as WASIX has it, and
 * creating and truncating happens once. Should the child be unable to, since it was granted less, it ends with the
 * status that a shell's child ends with when it cannot be run.
 */
#include "imports.h"
#include "tessera/text.h"

#define STATUS_CANNOT_RUN 127
enum { OPEN_DIRECTORY = 2, LOOKUP_FOLLOW = 1 };

/* With a slash at its beginning, and without one at its end. */
static uint32_t path_make(const struct opens *opens, const char *path, uint32_t length, char *to, size_t size)
{
    size_t used = 0;
    for (uint32_t i = 0; i < length; i++)
        if (path[i] == 0 || path[i] == '\n')
            return EINVAL;
    if (length == 0)
        return ENOENT;
    if (path[0] != '/')
        used = text_format(to, size, "%s/", opens->folder);
    if (used + length >= size)
        return ENAMETOOLONG;
    memcpy(to + used, path, length);
    used += length;
    while (used > 1 && to[used - 1] == '/')
        used--;
    to[used] = 0;
    return ESUCCESS;
}

static uint32_t look_at(const char *path, uint32_t look, uint32_t open, uint64_t base, uint32_t flags)
{
    uint32_t fd, error = path_open_absolute(path, look, open, base, flags, &fd);
    if (!error)
        descriptor_close(fd);
    return error;
}

uint32_t opens_add(struct opens *opens, uint32_t fd, const char *path, uint32_t length, uint32_t look, uint32_t open,
                   uint64_t base, uint32_t flags)
{
    char *to = opens->paths + opens->used;
    uint32_t error = path_make(opens, path, length, to, sizeof(opens->paths) - opens->used);
    base &= RIGHTS_FILE;
    if (error || (error = look_at(to, look, open, base, flags)))
        return error;
    opens->files[fd].at = opens->used;
    opens->files[fd].look = look;
    opens->files[fd].flags = flags;
    opens->files[fd].base = base;
    opens->files[fd].is_used = true;
    opens->used += (uint32_t)text_length(to) + 1;
    return ESUCCESS;
}

uint32_t opens_enter(struct opens *opens, const char *path, uint32_t length)
{
    char folder[sizeof(opens->folder)];
    uint32_t error = path_make(opens, path, length, folder, sizeof(folder));
    if (error || (error = look_at(folder, LOOKUP_FOLLOW, OPEN_DIRECTORY, 0, 0)))
        return error;
    memcpy(opens->folder, folder, text_length(folder) + 1);
    if (text_equal(folder, "/"))
        opens->folder[0] = 0;
    return ESUCCESS;
}

/* The number, if any lower, that the child has this open file by, + 1. */
static uint32_t same_as(const struct opens *opens, uint32_t fd)
{
    for (uint32_t other = 0; other < fd && opens->files[fd].is_used; other++)
        if (opens->files[other].is_used && opens->files[other].at == opens->files[fd].at)
            return other + 1;
    return opens->same_as[fd];
}

uint32_t opens_write(const struct opens *opens, char text[OPENS_BYTES])
{
    size_t used = opens->folder[0] ? text_format(text, OPENS_BYTES, "PWD=%s", opens->folder) : 0;
    for (uint32_t fd = 0; fd < STANDARD_STREAMS; fd++) {
        uint32_t same = same_as(opens, fd);
        if (!opens->files[fd].is_used && !same)
            continue;
        used += text_format(text + used, OPENS_BYTES - used, "%s%u ", used ? "\n" : "", fd);
        if (same)
            used += text_format(text + used, OPENS_BYTES - used, "=%u", same - 1);
        else
            used += text_format(text + used, OPENS_BYTES - used, "%u %u %lu %s", opens->files[fd].look,
                                opens->files[fd].flags, (unsigned long)opens->files[fd].base,
                                opens->paths + opens->files[fd].at);
    }
    return (uint32_t)used;
}

/* ---- in the child -------------------------------------------------------------------------------------------- */

static const char *number_get(const char *text, uint64_t *value)
{
    *value = 0;
    while (*text >= '0' && *text <= '9')
        *value = *value * 10 + (uint64_t)(*text++ - '0');
    return *text == ' ' ? text + 1 : text;
}

/* `text` as PROCESS_SPAWN has it (proto/process.h). */
static bool open_one(const char *text)
{
    uint64_t to, numbers[3] = {0}; /* how to look, flags, rights; or whose file it is */
    uint32_t fd;
    text = number_get(text, &to);
    if (to >= STANDARD_STREAMS)
        return false;
    if (text[0] == '=') {
        (void)number_get(text + 1, &numbers[0]);
        if (numbers[0] >= to || descriptor_at((uint32_t)numbers[0])->kind <= FD_ALIAS)
            return false;
        descriptor_alias((uint32_t)to, (uint32_t)numbers[0]);
        return true;
    }
    for (unsigned i = 0; i < 3; i++)
        text = number_get(text, &numbers[i]);
    return text[0] == '/' &&
           path_open_absolute(text, (uint32_t)numbers[0], 0, numbers[2], (uint32_t)numbers[1], &fd) == ESUCCESS &&
           WASI(fd_renumber)(fd, (uint32_t)to) == ESUCCESS;
}

void opens_begin(void)
{
    const char *text = (const char *)start_page + start_page->opens.offset;
    for (uint32_t i = 0; i < start_page->opens.count; i++, text += text_length(text) + 1)
        if (!open_one(text))
            wasm_platform_exit(STATUS_CANNOT_RUN);
}
