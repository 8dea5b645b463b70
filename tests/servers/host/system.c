/* The reader of compiled system descriptions, fed with what ci/system_description.py wrote: whole, cut at every length,
 * with every byte changed, and with random damage. Each is accepted or refused; nothing outside the bytes is read
 * (ASan: each trial has an allocation of its own size), and what is accepted can be walked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aot/image/image.h"
#include "tessera/system.h"

static uint8_t *description;
static size_t description_bytes;
static volatile size_t seen;

static void walk_manifest(const struct image_manifest *manifest)
{
    const struct image_list lists[] = {manifest->arguments,       manifest->environment,   manifest->channel_serve,
                                       manifest->channel_connect, manifest->service_serve, manifest->service_connect};
    for (size_t k = 0; k < sizeof(lists) / sizeof(lists[0]); k++)
        for (uint32_t i = 0; i < lists[k].count; i++)
            seen += strlen(image_string_text(manifest, image_list_string(manifest, lists[k], i)));
}

static void walk(const struct system_header *system)
{
    for (uint32_t i = 0; i < system->program_count; i++) {
        const struct system_program *program = system_program_at(system, i);
        const struct system_string *children = (const void *)((const char *)system + program->child_names);
        seen += strlen(system_text(system, program->name)) + strlen(system_text(system, program->image));
        if (program->input.length)
            seen += strlen(system_text(system, program->input));
        if (program->expect_text.length)
            seen += strlen(system_text(system, program->expect_text));
        for (uint32_t k = 0; k < program->child_count; k++)
            seen += strlen(system_text(system, children[k]));
        walk_manifest((const void *)((const char *)system + program->grant));
        if (program->request)
            walk_manifest((const void *)((const char *)system + program->request));
    }
}

static void walk_mounts(const struct system_header *system)
{
    uint32_t number;
    for (uint32_t i = 0; i < system->mount_count; i++) {
        const struct system_mount *mount = system_mount_at(system, i);
        const char *path = system_text(system, mount->path);
        seen += strlen(path) + strlen(system_text(system, mount->server));
        if (mount->source.length)
            seen += strlen(system_text(system, mount->source));
        seen += system_mount_find(system, path, &number) != NULL;
    }
}

static void walk_restarts(const struct system_header *system)
{
    for (uint32_t i = 0; i < system->restart_count; i++)
        seen += strlen(system_text(system, system_restart_at(system, i)->name));
}

/* True when accepted. */
static bool trial(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    bool is_accepted = system_check(copy, size) == NULL;
    if (is_accepted) {
        walk_mounts((const struct system_header *)(void *)copy);
        walk_restarts((const struct system_header *)(void *)copy);
        walk((const struct system_header *)(void *)copy);
    }
    free(copy);
    return is_accepted;
}

static bool load(const char *path)
{
    FILE *file = path ? fopen(path, "rb") : NULL;
    if (!file)
        return false;
    description = malloc(1 << 20);
    description_bytes = fread(description, 1, 1 << 20, file);
    fclose(file);
    return description_bytes > 0;
}

int main(void)
{
    unsigned failures = 0, accepted = 0;
    uint32_t index;
    if (!load(getenv("TESSERA_DESCRIPTION"))) {
        printf("no description in TESSERA_DESCRIPTION\n");
        return 1;
    }
    failures += !trial(description, description_bytes);
    failures += !system_find((const void *)description, "second", &index) || index != 1;
    failures += system_find((const void *)description, "nobody", &index) != NULL;
    for (size_t size = 0; size < description_bytes; size++)
        failures += trial(description, size); /* never right when cut */
    for (size_t i = 0; i < description_bytes; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            description[i] ^= (uint8_t)(1u << bit);
            accepted += trial(description, description_bytes);
            description[i] ^= (uint8_t)(1u << bit);
        }
    srand(3);
    uint8_t *damaged = malloc(description_bytes);
    for (int round = 0; round < 50000; round++) {
        memcpy(damaged, description, description_bytes);
        for (int k = rand() % 6; k >= 0; k--) {
            size_t at = (size_t)rand() % (description_bytes / 4) * 4;
            uint32_t value = rand() % 3 ? (uint32_t)rand() : (uint32_t)rand() % (uint32_t)description_bytes;
            memcpy(damaged + at, &value, sizeof(value));
        }
        accepted += trial(damaged, description_bytes);
    }
    free(damaged);
    free(description);
    printf("system description: %u failures, %u damaged ones were still well formed\n", failures, accepted);
    return failures > 0;
}
