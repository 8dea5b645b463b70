/* What became of a host folder, for the host: a cpio archive (newc) of the mount as it is now, written to the console's
 * stream of files. Names begin with the mount's number. A file that nobody changed comes without data and with 1 as its
 * device (rdevmajor): the host has it. What does not come was removed.
 */
#include "fs.h"
#include "proto/console.h"
#include "tessera/server.h"
#include "tessera/text.h"

#define HEADER_BYTES 110u

/* Bytes are gathered to whole messages. */
static uint8_t gathered[CONSOLE_WRITE_BYTES];
static uint32_t gathered_bytes;
static uint64_t sent;

static void flush(void)
{
    if (gathered_bytes > 0)
        log_write(CONSOLE_STREAM_FILES, (const char *)gathered, gathered_bytes);
    gathered_bytes = 0;
}

/* NULL: zeros. */
static void send(const void *bytes, uint64_t count)
{
    for (uint64_t at = 0; at < count;) {
        uint64_t part = sizeof(gathered) - gathered_bytes;
        part = part < count - at ? part : count - at;
        if (bytes)
            memcpy(gathered + gathered_bytes, (const uint8_t *)bytes + at, part);
        else
            memset(gathered + gathered_bytes, 0, part);
        gathered_bytes += (uint32_t)part;
        at += part;
        if (gathered_bytes == sizeof(gathered))
            flush();
    }
    sent += count;
}

static void align(void)
{
    send(NULL, -sent & 3);
}

static void header_send(const char *name, uint32_t mode, uint64_t time_ns, uint64_t bytes, bool is_unchanged)
{
    char header[HEADER_BYTES + 1];
    size_t name_bytes = text_length(name) + 1;
    (void)text_format(header, sizeof(header), "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08lx%08x", 0u, mode,
                      0u, 0u, 1u, (uint32_t)(time_ns / 1000000000u), (uint32_t)bytes, 0u, 0u, is_unchanged ? 1u : 0u,
                      0u, name_bytes, 0u);
    send(header, HEADER_BYTES);
    send(name, name_bytes);
    align();
}

static void file_send(const struct node *file)
{
    for (uint64_t at = 0; at < file->bytes;) {
        uint64_t run;
        const uint8_t *bytes = tree_bytes(file, at, &run);
        run = run < file->bytes - at ? run : file->bytes - at;
        send(bytes, run);
        at += run;
    }
    align();
}

static void node_send(const struct node *node, const char *name)
{
    if (node->type == FS_TYPE_DIRECTORY) {
        header_send(name, 0040755, node->modified_ns, 0, !node->is_changed);
    } else if (node->type == FS_TYPE_LINK) {
        header_send(name, 0120777, node->modified_ns, node->bytes, false);
        send(node->link.target, node->bytes);
        align();
    } else if (!node->is_changed) {
        header_send(name, 0100644, node->modified_ns, 0, true);
    } else {
        header_send(name, 0100644, node->modified_ns, node->bytes, false);
        file_send(node);
    }
}

/* What has a longer path stays here, where it was made directory by directory: no program of the host could name it. It
 * bounds how often directory_send calls itself, too. */
static char path[FS_PATH_MAX];

static void directory_send(const struct node *directory, size_t length)
{
    for (const struct entry *entry = directory->directory.first; entry; entry = entry->next) {
        size_t end = length + 1 + entry->name_bytes;
        if (end >= sizeof(path)) {
            path[length] = 0;
            log_text("fs: %s: a path is too long to go back to the host\n", path);
            continue;
        }
        path[length] = '/';
        memcpy(path + length + 1, entry->name, entry->name_bytes);
        path[end] = 0;
        node_send(entry->node, path);
        if (entry->node->type == FS_TYPE_DIRECTORY)
            directory_send(entry->node, end);
    }
}

void changes_send(const struct mount *mount)
{
    sent = 0;
    size_t length = text_format(path, sizeof(path), "%u", mount->number);
    directory_send(mount->root, length);
    header_send("TRAILER!!!", 0, 0, 0, false);
    flush();
}
