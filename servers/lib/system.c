/* See tessera/system.h. Every offset is checked before it is followed, in 64 bits, so that nothing wraps. */
#include "tessera/system.h"

#include "aot/image/image.h"
#include "tessera/text.h"

static bool in_range(const struct system_header *system, uint64_t offset, uint64_t bytes)
{
    return offset >= sizeof(*system) && offset <= system->bytes && bytes <= system->bytes - offset;
}

static bool string_is_good(const struct system_header *system, struct system_string string)
{
    if (string.length == 0 && string.offset == 0)
        return true;
    if (!in_range(system, string.offset, (uint64_t)string.length + 1))
        return false;
    const char *text = system_text(system, string);
    for (uint32_t i = 0; i < string.length; i++)
        if (text[i] == 0)
            return false;
    return text[string.length] == 0;
}

static bool manifest_is_good(const struct system_header *system, uint32_t offset)
{
    if (offset % 8 != 0 || !in_range(system, offset, sizeof(struct image_manifest)))
        return false;
    const struct image_manifest *manifest = (const void *)((const char *)system + offset);
    size_t where;
    return in_range(system, offset, manifest->bytes) &&
           image_check_manifest(manifest, manifest->bytes, &where) == IMAGE_OK;
}

static bool children_are_good(const struct system_header *system, const struct system_program *program)
{
    if (program->child_count == 0)
        return true;
    uint64_t bytes = (uint64_t)program->child_count * sizeof(struct system_string);
    if (program->child_names % 4 != 0 || !in_range(system, program->child_names, bytes))
        return false;
    const struct system_string *names = (const void *)((const char *)system + program->child_names);
    for (uint32_t i = 0; i < program->child_count; i++)
        if (names[i].length == 0 || !string_is_good(system, names[i]))
            return false;
    return true;
}

static const char *program_check(const struct system_header *system, const struct system_program *program)
{
    if (program->name.length == 0 || !string_is_good(system, program->name))
        return "the system description is damaged: the name of a program";
    if (program->image.length == 0 || !string_is_good(system, program->image))
        return "the system description is damaged: the image of a program";
    if (!string_is_good(system, program->input) || !string_is_good(system, program->expect_text))
        return "the system description is damaged: the input or expectation of a program";
    if (!manifest_is_good(system, program->grant) || (program->request && !manifest_is_good(system, program->request)))
        return "the system description is damaged: the grant or request of a program";
    if ((program->flags & ~(uint32_t)SYSTEM_FLAGS_ALL) || program->expect >= SYSTEM_EXPECT_COUNT ||
        program->restart >= SYSTEM_RESTART_COUNT || program->cpu_budget_us > program->cpu_period_us)
        return "the system description is damaged: flags, expectation or budget of a program";
    return children_are_good(system, program) ? NULL : "the system description is damaged: the children of a program";
}

/* "/", or components without an empty, "." or ".." one, each after a slash. */
static bool mount_path_is_good(const char *path, uint32_t length)
{
    if (length == 0 || path[0] != '/')
        return false;
    for (uint32_t i = 1; length > 1 && i <= length; i++) {
        uint32_t first = i;
        while (i < length && path[i] != '/')
            i++;
        uint32_t bytes = i - first;
        if (bytes == 0 || bytes > 255 || (path[first] == '.' && (bytes == 1 || (bytes == 2 && path[first + 1] == '.'))))
            return false;
    }
    return true;
}

static const char *mounts_check(const struct system_header *system)
{
    if (system->mount_count == 0)
        return NULL;
    if (system->mount_count > SYSTEM_MOUNTS || system->mounts_offset % 8 != 0 ||
        !in_range(system, system->mounts_offset, (uint64_t)system->mount_count * sizeof(struct system_mount)))
        return "the system description is damaged: its list of mounts";
    for (uint32_t i = 0; i < system->mount_count; i++) {
        const struct system_mount *mount = system_mount_at(system, i);
        if (!string_is_good(system, mount->path) || !string_is_good(system, mount->server) ||
            !string_is_good(system, mount->source) || mount->server.length == 0 || mount->kind >= SYSTEM_MOUNT_COUNT ||
            (mount->flags & ~(uint32_t)SYSTEM_MOUNT_FLAGS_ALL) ||
            !mount_path_is_good(system_text(system, mount->path), mount->path.length))
            return "the system description is damaged: a mount";
    }
    return NULL;
}

static const char *restarts_check(const struct system_header *system)
{
    if (system->restart_count == 0)
        return NULL;
    if (system->restart_count > SYSTEM_RESTART_RULES || system->restarts_offset % 8 != 0 ||
        !in_range(system, system->restarts_offset,
                  (uint64_t)system->restart_count * sizeof(struct system_restart_rule)))
        return "the system description is damaged: its list of servers to be restarted";
    for (uint32_t i = 0; i < system->restart_count; i++) {
        const struct system_restart_rule *rule = system_restart_at(system, i);
        if (rule->name.length == 0 || !string_is_good(system, rule->name) || rule->when >= SYSTEM_RESTART_COUNT)
            return "the system description is damaged: a server to be restarted";
    }
    return NULL;
}

const char *system_check(const void *bytes, size_t size)
{
    const struct system_header *system = bytes;
    if (size < sizeof(*system) || (uintptr_t)bytes % 8 != 0)
        return "the system description is too short";
    if (system->magic != SYSTEM_MAGIC)
        return "the system description has no magic number, or is of another version";
    if (system->bytes > size || system->bytes < sizeof(*system))
        return "the system description is truncated";
    if (system->program_count == 0 || system->program_count > SYSTEM_PROGRAMS || system->programs_offset % 8 != 0 ||
        !in_range(system, system->programs_offset, (uint64_t)system->program_count * sizeof(struct system_program)))
        return "the system description is damaged: its list of programs";
    for (uint32_t i = 0; i < system->program_count; i++) {
        const char *problem = program_check(system, system_program_at(system, i));
        if (problem)
            return problem;
    }
    if (system->flags & ~(uint32_t)SYSTEM_HEADER_FLAGS_ALL)
        return "the system description is damaged: its flags";
    const char *problem = mounts_check(system);
    return problem ? problem : restarts_check(system);
}

const struct system_mount *system_mount_find(const struct system_header *system, const char *path, uint32_t *number)
{
    const struct system_mount *found = NULL;
    for (uint32_t i = 0; i < system->mount_count; i++) {
        const struct system_mount *mount = system_mount_at(system, i);
        const char *at = system_text(system, mount->path);
        bool fits = mount->path.length == 1 ||
                    (text_begins(path, at) && (path[mount->path.length] == 0 || path[mount->path.length] == '/'));
        if (fits && (!found || mount->path.length > found->path.length)) {
            found = mount;
            *number = i;
        }
    }
    return found;
}

const struct system_program *system_find(const struct system_header *system, const char *name, uint32_t *index)
{
    for (uint32_t i = 0; i < system->program_count; i++) {
        const struct system_program *program = system_program_at(system, i);
        if (text_equal(system_text(system, program->name), name)) {
            *index = i;
            return program;
        }
    }
    return NULL;
}
