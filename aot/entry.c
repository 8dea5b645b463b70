/* Finds where a program begins; entry.h has the contract. */
#include "entry.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/image.h"
#include "image/image_write.h"
#include "memory.h"

static bool read_manifest(const char *file, struct entry *entry)
{
    size_t size;
    char problem[256];
    uint8_t *json = read_file(file, &size);
    if (!json) {
        fprintf(stderr, "%s: %s\n", file, strerror(errno));
        return false;
    }
    entry->manifest = manifest_from_json((const char *)json, size, &entry->manifest_bytes, problem, sizeof problem);
    free(json);
    if (!entry->manifest)
        fprintf(stderr, "%s: %s\n", file, problem);
    return entry->manifest != NULL;
}

static const struct module_export *main_export(const struct program *program, struct name name)
{
    return survey_export(&program->instances[0]->survey, &program->instances[0]->module, name);
}

static struct name plain_name(const char *text)
{
    return (struct name){.bytes = text, .length = (uint32_t)strlen(text)};
}

/* The manifest wants to begin at `name`. */
static bool find_named(const struct options *options, const struct program *program, struct name name,
                       struct entry *entry)
{
    const struct module_export *export = main_export(program, name);
    if (!export || !module_export_is_procedure(&program->instances[0]->module, export)) {
        fprintf(stderr, "%s: \"entry\": the module exports no function \"%.*s\" without parameters and results\n",
                options->manifest, (int)name.length, name.bytes);
        return false;
    }
    char *mangled = symbol_mangle(name.bytes, name.length);
    if (strcmp(mangled, "_start") != 0)
        entry->symbol = format_text("wasm_export_%s", mangled);
    free(mangled);
    return true;
}

/* Nobody says where to begin. */
static bool find_start(const struct program *program)
{
    const struct instance *instance = program->instances[0];
    const struct module_export *export = main_export(program, plain_name("_start"));
    if (export && !module_export_is_procedure(&instance->module, export)) {
        fprintf(stderr,
                "%s: 0x%" PRIx64 ": \"_start\" must be a function of the module without parameters and results\n",
                instance->file, export->offset);
        return false;
    }
    if (!export && !program->initialises_main && !instance->module.has_start)
        fprintf(stderr, "%s: warning: nothing is exported as \"_start\": the program will do nothing\n",
                instance->file);
    return true;
}

bool entry_find(const struct options *options, struct program *program, struct entry *entry)
{
    struct name name = {0}, reactor = plain_name("_initialize");
    *entry = (struct entry){0};
    if (options->manifest && !read_manifest(options->manifest, entry))
        return false;
    if (options->is_set) /* a set brings the code that begins it */
        return true;
    if (entry->manifest) {
        const struct image_manifest *manifest = (const void *)entry->manifest;
        name = (struct name){.bytes = image_string_text(manifest, manifest->entry), .length = manifest->entry.length};
    }
    const struct module_export *initialise = main_export(program, reactor);
    bool is_entry = name.length == reactor.length && memcmp(name.bytes, reactor.bytes, name.length) == 0;
    program->initialises_main = initialise && !is_entry && !main_export(program, plain_name("_start")) &&
                                module_export_is_procedure(&program->instances[0]->module, initialise);
    return entry->manifest ? find_named(options, program, name, entry) : find_start(program);
}

void entry_free(struct entry *entry)
{
    free(entry->manifest);
    free(entry->symbol);
}
