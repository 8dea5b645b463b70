/* Directories that programs find open: which they are, and the way to the server that has them. docs/files.md.
 *
 * A program that is granted a directory is granted the mounts below it too, each as a directory of its own: no path
 * ever leads from one server to another.
 */
#include "proto/fs.h"
#include "server.h"
#include "tessera/text.h"

static void grant_fill(struct files_grant *grant, const char *path, uint32_t mode, uint32_t mount)
{
    const struct system_mount *described = system_mount_at(server.system, mount);
    (void)text_format(grant->path, sizeof(grant->path), "%s", path);
    grant->mount = mount;
    grant->access = (mode & IMAGE_PATH_READ ? FS_MAY_READ : 0) | (mode & IMAGE_PATH_WRITE ? FS_MAY_WRITE : 0);
    if (described->kind == SYSTEM_MOUNT_ARCHIVE || (described->flags & SYSTEM_MOUNT_READ_ONLY))
        grant->access &= ~(uint32_t)FS_MAY_WRITE;
    grant->rest = grant->path + described->path.length;
    grant->rest += *grant->rest == '/';
}

/* True when the mount lies below the path, not at it. */
static bool is_below(const char *mount, const char *path)
{
    size_t length = text_length(path);
    bool is_root = text_equal(path, "/");
    return text_begins(mount, path) && (is_root ? mount[1] != 0 : mount[length] == '/');
}

bool files_grant(const struct process *process, uint32_t n, struct files_grant *grant)
{
    const char *path;
    uint32_t mode, mount;
    for (uint32_t i = 0; authority_path(&process->authority, i, &path, &mode); i++) {
        size_t length = text_length(path);
        if (path[0] != '/' || length >= PROCESS_GRANT_PATH || (length > 1 && path[length - 1] == '/'))
            continue; /* names nothing; the description's compiler refuses it */
        if (system_mount_find(server.system, path, &mount) && n-- == 0) {
            grant_fill(grant, path, mode, mount);
            grant->quota_kib = authority_quota(&process->authority, path);
            return true;
        }
        for (uint32_t m = 0; m < server.system->mount_count; m++) {
            const char *below = system_text(server.system, system_mount_at(server.system, m)->path);
            if (is_below(below, path) && n-- == 0) {
                grant_fill(grant, below, mode, m);
                grant->quota_kib = authority_quota(&process->authority, below);
                return true;
            }
        }
    }
    return false;
}

uint32_t files_open(struct process *process, word n, word result[2])
{
    struct files_grant grant;
    if (n > UINT32_MAX || !files_grant(process, (uint32_t)n, &grant))
        return E_BADF;
    return service_join(process, system_text(server.system, system_mount_at(server.system, grant.mount)->server),
                        result);
}

uint32_t files_describe(const struct process *process, word badge, word n, word *results, unsigned *count)
{
    struct files_grant grant;
    const char *name;
    const struct process *client = service_client(process, badge, &name);
    if (!client)
        return E_INVAL;
    if (n > UINT32_MAX || !files_grant(client, (uint32_t)n, &grant) ||
        !text_equal(name, system_text(server.system, system_mount_at(server.system, grant.mount)->server)))
        return E_BADF;
    size_t bytes = text_length(grant.rest);
    results[0] = grant.mount;
    results[1] = grant.access | (word)grant.quota_kib << 32;
    results[2] = bytes;
    memcpy(&results[3], grant.rest, bytes);
    *count = 3 + (unsigned)((bytes + 7) / 8);
    return 0;
}
