/* The file server: the mounts of the system description that name the service "fs". It sees the boot archive read-only,
 * where files of its mounts lie; all else is memory of its own, by the quotas of its mounts.
 */
#include "arch/platform/archive.h"
#include "fs.h"
#include "proto/process.h"
#include "proto/system.h"
#include "tessera/server.h"
#include "tessera/system.h"
#include "tessera/text.h"
#include "tree.h"

#define SERVICE_NAME "fs"

static struct mount mounts[SYSTEM_MOUNTS];
static struct archive archive;
static const struct system_header *description;

struct mount *fs_mount(uint32_t number)
{
    return number < SYSTEM_MOUNTS && mounts[number].is_mine ? &mounts[number] : NULL;
}

bool fs_member_is_good(const struct node *file)
{
    struct archive_member member;
    for (uint32_t i = 0; i < archive.member_count; i++) {
        archive_member_at(&archive, i, &member);
        if (member.data == file->file.base)
            return archive_verify(&member) == NULL;
    }
    return false;
}

/* ---- mounts -------------------------------------------------------------------------------------------------- */

_Noreturn static void give_up(const struct system_mount *mount, const char *why)
{
    log_text("fs: mount '%s': %s\n", system_text(description, mount->path), why);
    program_exit(1);
}

/* Every member under its name. */
static const char *archive_fill(struct mount *mount)
{
    for (uint32_t i = 0; i < archive.member_count; i++) {
        struct archive_member member;
        archive_member_at(&archive, i, &member);
        size_t length = text_length(member.name), name = length;
        while (name > 0 && member.name[name - 1] != '/')
            name--;
        struct node *directory = tree_directory(mount->root, member.name, name > 0 ? name - 1 : 0);
        struct node *file =
            directory ? tree_add(directory, member.name + name, (uint32_t)(length - name), FS_TYPE_FILE) : NULL;
        if (!file)
            return "no memory for the archive's members";
        file->file.base = member.data;
        file->file.base_bytes = file->bytes = member.bytes;
        file->is_unchecked = true;
    }
    return NULL;
}

static const char *devices_fill(struct mount *mount)
{
    struct node *null = tree_add(mount->root, "null", 4, FS_TYPE_CHARACTER);
    struct node *zero = tree_add(mount->root, "zero", 4, FS_TYPE_CHARACTER);
    if (zero)
        zero->device.gives_zeros = true;
    return null && zero ? NULL : "no memory for the devices";
}

static const char *source_fill(struct mount *mount, const char *name)
{
    struct archive_member member;
    if (!archive_find(&archive, name, &member))
        return "the archive has no such member to begin with";
    const char *problem = archive_verify(&member);
    return problem ? problem : source_read(mount, member.data, member.bytes);
}

static void mount_begin(uint32_t number)
{
    const struct system_mount *described = system_mount_at(description, number);
    struct mount *mount = &mounts[number];
    if (!text_equal(system_text(description, described->server), SERVICE_NAME))
        return;
    *mount = (struct mount){
        .is_mine = true,
        .is_read_only = described->kind != SYSTEM_MOUNT_MEMORY || (described->flags & SYSTEM_MOUNT_READ_ONLY),
        .is_returned = described->flags & SYSTEM_MOUNT_RETURNED,
        .number = number,
        .quota_bytes = described->bytes ? described->bytes : UINT64_MAX / 2,
    };
    const char *problem = tree_begin(mount) ? NULL : "no memory";
    if (!problem && described->kind == SYSTEM_MOUNT_ARCHIVE)
        problem = archive_fill(mount);
    else if (!problem && described->kind == SYSTEM_MOUNT_DEVICES)
        problem = devices_fill(mount);
    else if (!problem && described->source.length)
        problem = source_fill(mount, system_text(description, described->source));
    if (problem)
        give_up(described, problem);
}

/* A mount point below another of our mounts is seen there as an empty directory; that of devices is not, which every
 * folder of the host would get. */
static void mount_show(uint32_t number)
{
    const struct system_mount *described = system_mount_at(description, number);
    char path[256];
    uint32_t length = described->path.length, above;
    if (length <= 1 || length >= sizeof(path) || described->kind == SYSTEM_MOUNT_DEVICES)
        return;
    memcpy(path, system_text(description, described->path), length + 1);
    while (length > 1 && path[length - 1] != '/')
        length--;
    path[length > 1 ? length - 1 : 1] = 0;
    const struct system_mount *parent = system_mount_find(description, path, &above);
    if (!parent || !fs_mount(above))
        return;
    const char *rest = system_text(description, described->path) + parent->path.length;
    rest += *rest == '/';
    (void)tree_directory(mounts[above].root, rest, text_length(rest));
}

static void description_open(const struct start_page *start)
{
    struct archive_member member;
    const char *problem = archive_open(&archive, (const void *)start->words[PROCESS_WORD_ARCHIVE],
                                       start->words[PROCESS_WORD_ARCHIVE_BYTES]);
    if (!problem && !archive_find(&archive, SYSTEM_MEMBER, &member))
        problem = "the archive has no system description";
    if (!problem)
        problem = system_check(member.data, member.bytes);
    if (problem) {
        log_text("fs: %s\n", problem);
        program_exit(1);
    }
    description = (const struct system_header *)(const void *)member.data;
}

/* The programs have ended. */
static void finish(uint64_t bits)
{
    if (!(bits & PROCESS_SIGNAL_FINISH))
        return;
    for (uint32_t i = 0; i < SYSTEM_MOUNTS; i++)
        if (mounts[i].is_returned)
            changes_send(&mounts[i]);
    program_exit(0);
}

int program_main(const struct start_page *start)
{
    description_open(start);
    for (uint32_t i = 0; i < description->mount_count; i++)
        mount_begin(i);
    for (uint32_t i = 0; i < description->mount_count; i++)
        mount_show(i);
    file_server_run(start, SERVICE_NAME, &tree_backend, finish);
}
