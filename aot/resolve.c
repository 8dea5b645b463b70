/* Resolves the imports of a program's instances; program.h has the contract. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/image.h"
#include "import_match.h"
#include "memory.h"
#include "program.h"

/* ---- following imports ---- */

/* What provides entity `index` of its kind, an imported one. */
static const struct resolution *import_resolution(const struct instance *instance, enum external_kind kind,
                                                  uint32_t index)
{
    return &instance->imports[instance->survey.import_positions[kind][index]];
}

static uint32_t imported_count(const struct module *module, enum external_kind kind)
{
    switch (kind) {
    case EXTERNAL_FUNCTION:
        return module->imported_function_count;
    case EXTERNAL_TABLE:
        return module->imported_table_count;
    case EXTERNAL_MEMORY:
        return module->imported_memory_count;
    case EXTERNAL_GLOBAL:
        return module->imported_global_count;
    case EXTERNAL_TAG:
        return module->imported_tag_count;
    }
    return 0;
}

bool program_definition(const struct instance *instance, enum external_kind kind, uint32_t index,
                        const struct instance **definer, uint32_t *defined_index, const char **symbol)
{
    while (index < imported_count(&instance->module, kind)) {
        const struct resolution *resolution = import_resolution(instance, kind, index);
        if (!resolution->provider && kind == EXTERNAL_MEMORY)
            break; /* nobody's: the instance has it */
        if (!resolution->provider) {
            *symbol = resolution->symbol;
            return false;
        }
        instance = resolution->provider;
        index = resolution->index;
    }
    *definer = instance;
    *defined_index = index;
    return true;
}

bool program_defines_memory(const struct instance *instance, uint32_t memory)
{
    return memory >= instance->module.imported_memory_count ||
           !import_resolution(instance, EXTERNAL_MEMORY, memory)->provider;
}

/* ---- errors ---- */

/* A link error of one instance. */
struct link_error {
    uint64_t offset;
    char text[1024];
};

/* An import's names, as messages have them: "env" "f". */
struct import_text {
    char text[512];
};

static struct import_text import_text(const struct module_import *import)
{
    struct import_text shown;
    char module[200], name[300];
    name_show(import->module, module, sizeof module);
    name_show(import->name, name, sizeof name);
    snprintf(shown.text, sizeof shown.text, "\"%s\" \"%s\"", module, name);
    return shown;
}

__attribute__((format(printf, 3, 4))) static bool link_fail(struct link_error *error, uint64_t offset,
                                                            const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    error->offset = offset;
    return false;
}

static void print_link_error(const struct instance *instance, const struct link_error *error)
{
    fprintf(stderr, "%s: 0x%" PRIx64 ": %s\n", instance->file, error->offset, error->text);
}

/* ---- native functions ---- */

struct native_import {
    const char *module, *name, *parameters, *result;
};

static const struct native_import native_imports[] = {
#define IMPORT(module, name, parameters, result) {#module, #name, parameters, result},
#include "image/imports.def"
#undef IMPORT
};

static char type_letter(struct value_type type)
{
    return type.kind <= VALUE_F64 ? "iIfF"[type.kind] : '?';
}

static void native_text(const struct native_import *native, char *text, size_t size)
{
    struct value_type parameters[32], result = {0};
    uint32_t count = (uint32_t)strlen(native->parameters);
    for (uint32_t i = 0; i < count && i < 32; i++)
        parameters[i] = (struct value_type){.kind = (uint8_t)(strchr("iIfF", native->parameters[i]) - "iIfF")};
    if (native->result[0])
        result.kind = (uint8_t)(strchr("iIfF", native->result[0]) - "iIfF");
    struct function_type type = {
        .parameters = parameters, .parameter_count = count, .results = &result, .result_count = native->result[0] != 0};
    signature_text(&type, text, size);
}

static bool native_type_matches(const struct native_import *native, const struct function_type *type)
{
    if (strlen(native->parameters) != type->parameter_count || strlen(native->result) != type->result_count)
        return false;
    for (uint32_t i = 0; i < type->parameter_count; i++)
        if (native->parameters[i] != type_letter(type->parameters[i]))
            return false;
    return type->result_count == 0 || native->result[0] == type_letter(type->results[0]);
}

static bool name_is(struct name name, const char *text)
{
    return strlen(text) == name.length && memcmp(name.bytes, text, name.length) == 0;
}

/* "unknown import "env" "f": (i32) -> ()". */
static bool link_unknown(const struct instance *instance, const struct module_import *import, struct link_error *error)
{
    static const char *const kinds[] = {
        [EXTERNAL_TABLE] = "table", [EXTERNAL_MEMORY] = "memory", [EXTERNAL_GLOBAL] = "global", [EXTERNAL_TAG] = "tag"};
    char type[160];
    if (import->kind == EXTERNAL_FUNCTION)
        signature_text(module_function_type(&instance->module, import->index), type, sizeof type);
    else
        snprintf(type, sizeof type, "%s", kinds[import->kind]);
    return link_fail(error, import->offset, "unknown import %s: %s", import_text(import).text, type);
}

/* The function that traps in place of a missing one: lower_program makes it. */
static char *missing_symbol(const struct module_import *import)
{
    char *module = symbol_mangle(import->module.bytes, import->module.length);
    char *name = symbol_mangle(import->name.bytes, import->name.length);
    char *symbol = format_text("__imported_%s.%s", module, name);
    free(module);
    free(name);
    return symbol;
}

static bool link_native(const struct program *program, struct instance *instance, const struct module_import *import,
                        struct resolution *resolution, struct link_error *error)
{
    const struct native_import *native = NULL;
    for (size_t i = 0; i < sizeof native_imports / sizeof native_imports[0] && !native; i++)
        if (name_is(import->module, native_imports[i].module) && name_is(import->name, native_imports[i].name))
            native = &native_imports[i];
    if (!native && import->kind == EXTERNAL_FUNCTION && program->may_lack_imports) {
        resolution->symbol = missing_symbol(import);
        resolution->is_missing = true;
        return true;
    }
    if (!native || import->kind != EXTERNAL_FUNCTION)
        return link_unknown(instance, import, error);
    const struct function_type *type = module_function_type(&instance->module, import->index);
    if (!native_type_matches(native, type)) {
        char wanted[160], available[160];
        signature_text(type, wanted, sizeof wanted);
        native_text(native, available, sizeof available);
        return link_fail(error, import->offset,
                         "incompatible import type: \"%s\" \"%s\" is imported as %s but available as %s",
                         native->module, native->name, wanted, available);
    }
    char *name = symbol_mangle(native->name, strlen(native->name));
    resolution->symbol = format_text("__imported_%s_%s", native->module, name);
    free(name);
    return true;
}

/* ---- other instances ---- */

static bool link_fail_type(const struct instance *provider, const struct module_export *export,
                           const struct instance *instance, const struct module_import *import,
                           struct link_error *error)
{
    char wanted[200], provided[200];
    entity_text(&instance->module, import->kind, import->index, wanted, sizeof wanted);
    entity_text(&provider->module, export->kind, export->index, provided, sizeof provided);
    return link_fail(error, import->offset, "incompatible import type: %s is imported as %s but %s exports %s",
                     import_text(import).text, wanted, provider->file, provided);
}

static bool link_import(const struct program *program, struct instance *instance, const struct module_import *import,
                        struct resolution *resolution, struct link_error *error)
{
    for (uint32_t i = instance->binding_count; i-- > 0;) {
        if (!name_is(import->module, instance->bindings[i].module))
            continue;
        const struct instance *provider = instance->bindings[i].provider;
        const struct module_export *export =
            provider->is_dropped ? NULL : survey_export(&provider->survey, &provider->module, import->name);
        if (!export)
            return link_fail(error, import->offset, "unknown import %s: %s has no such export",
                             import_text(import).text, provider->file);
        if (export->kind != import->kind ||
            !entity_matches(provider, export->index, instance, import, !program->has_export_tables))
            return link_fail_type(provider, export, instance, import, error);
        resolution->provider = provider;
        resolution->index = export->index;
        return true;
    }
    /* A module with threads imports its memory from whoever makes it: a program is alone, and makes it. */
    bool is_shared_memory =
        import->kind == EXTERNAL_MEMORY && instance->module.memories[import->index].limits.is_shared;
    if (is_shared_memory && !program->has_export_tables)
        return true;
    return link_native(program, instance, import, resolution, error);
}

/* Every import that cannot be satisfied is printed, so that one sees at once what a module lacks; of an instance that
 * may fail the first one is the result. */
static bool link_instance(const struct program *program, struct instance *instance, struct link_error *error)
{
    bool is_linked = true;
    for (uint32_t i = 0; i < instance->module.import_count; i++) {
        if (link_import(program, instance, &instance->module.imports[i], &instance->imports[i], error))
            continue;
        is_linked = false;
        if (instance->may_fail)
            break;
        print_link_error(instance, error);
    }
    return is_linked;
}

/* Two modules may re-export each other's imports in a circle: then nobody defines the entity. */
static bool link_ends(const struct program *program, const struct instance *instance, struct link_error *error)
{
    for (uint32_t i = 0; i < instance->module.import_count; i++) {
        const struct module_import *import = &instance->module.imports[i];
        const struct instance *at = instance;
        uint32_t index = import->index;
        for (uint32_t steps = 0; at && index < imported_count(&at->module, import->kind); steps++) {
            if (steps > program->instance_count)
                return link_fail(error, import->offset, "import %s leads in a circle", import_text(import).text);
            const struct resolution *next = import_resolution(at, import->kind, index);
            index = next->index;
            at = next->provider;
        }
    }
    return true;
}

/* ---- types and memories ---- */

/* Types are equal in the whole program iff their numbers are. */
static bool number_types(struct program *program)
{
    const struct module **modules = allocate(program->instance_count, sizeof *modules);
    uint32_t **numbers = allocate(program->instance_count, sizeof *numbers);
    for (uint32_t i = 0; i < program->instance_count; i++) {
        struct instance *instance = program->instances[i];
        instance->type_numbers = allocate(instance->module.type_count, sizeof *instance->type_numbers);
        modules[i] = &instance->module;
        numbers[i] = instance->type_numbers;
    }
    bool is_done = module_types_number(modules, program->instance_count, numbers);
    if (!is_done)
        fprintf(stderr, "tessera-aot: out of memory\n");
    free(modules);
    free(numbers);
    return is_done;
}

uint64_t memory_maximum_pages(const struct limits *limits)
{
    uint64_t largest = limits->is_64 ? IMAGE_MAX_PAGES_64 : IMAGE_MAX_PAGES;
    return limits->has_maximum && limits->maximum < largest ? limits->maximum : largest;
}

/* Places one memory. False: it is too large, which has been said. */
static bool place_memory(struct program *program, struct instance *instance, uint32_t memory, uint64_t *regions)
{
    const struct memory *source = &instance->module.memories[memory];
    bool is_first = !program->first_memory_instance;
    if (source->limits.minimum > memory_maximum_pages(&source->limits)) {
        fprintf(stderr, "%s: 0x%" PRIx64 ": a memory of %" PRIu64 " pages; at most %llu can be had\n", instance->file,
                source->offset, source->limits.minimum, IMAGE_MAX_PAGES_64);
        return false;
    }
    if (is_first) {
        program->first_memory_instance = instance;
        program->first_memory = memory;
    }
    if (!is_first || program->is_without_page_zero)
        instance->memory_bases[memory] = IMAGE_REGION_BASE + (*regions)++ * IMAGE_REGION_STRIDE;
    program->memory_count++;
    return true;
}

static bool place_memories(struct program *program)
{
    uint64_t regions = 0;
    for (uint32_t i = 0; i < program->instance_count; i++) {
        struct instance *instance = program->instances[i];
        for (uint32_t memory = 0; !instance->is_dropped && memory < instance->module.memory_count; memory++)
            if (program_defines_memory(instance, memory) && !place_memory(program, instance, memory, &regions))
                return false;
    }
    if (program->memory_count <= IMAGE_MAX_MEMORIES)
        return true;
    fprintf(stderr, "%s: more than %u memories in one program\n", program->instances[0]->file, IMAGE_MAX_MEMORIES);
    return false;
}

/* Tables lie in the image's data, which has a window of 2 GiB. */
#define TABLE_ENTRIES_MAX (64ull << 20)

/* Entries of all tables; the first table that does not fit is named. */
static bool count_table_entries(const struct program *program)
{
    uint64_t left = TABLE_ENTRIES_MAX;
    for (uint32_t i = 0; i < program->instance_count; i++) {
        const struct instance *instance = program->instances[i];
        const struct module *module = &instance->module;
        for (uint32_t k = module->imported_table_count; !instance->is_dropped && k < module->table_count; k++) {
            const struct table *table = &module->tables[k];
            if (table->limits.minimum > left) {
                fprintf(stderr,
                        "%s: 0x%" PRIx64 ": a table of %" PRIu64 " entries; all tables together may have %llu\n",
                        instance->file, table->offset, table->limits.minimum, TABLE_ENTRIES_MAX);
                return false;
            }
            left -= table->limits.minimum;
        }
    }
    return true;
}

/* ---- the whole ---- */

/* Whether some module may start threads. */
static bool spawns_threads(const struct program *program)
{
    for (uint32_t i = 0; i < program->instance_count; i++)
        for (uint32_t k = 0; k < program->instances[i]->module.import_count; k++) {
            const char *symbol = program->instances[i]->is_dropped ? NULL : program->instances[i]->imports[k].symbol;
            if (symbol && strcmp(symbol, THREAD_SPAWN_SYMBOL) == 0)
                return true;
        }
    return false;
}

/* Whether the instance calls native functions, and with addresses of a memory that is not the program's first. */
static bool gives_other_memory(const struct program *program, const struct instance *instance)
{
    const struct instance *definer;
    uint32_t defined;
    const char *symbol;
    if (instance->is_dropped || instance->module.memory_count == 0)
        return false;
    program_definition(instance, EXTERNAL_MEMORY, 0, &definer, &defined, &symbol);
    if (definer == program->first_memory_instance && defined == program->first_memory)
        return false;
    for (uint32_t i = 0; i < instance->module.import_count; i++)
        if (instance->imports[i].symbol && !instance->imports[i].is_missing)
            return true;
    return false;
}

/* Native functions are told of one memory at a time, which would be that of all threads. */
static bool check_threads(const struct program *program)
{
    if (program->has_threads && program->has_export_tables) {
        fprintf(stderr, "tessera-aot: a program whose modules start threads cannot have --export-tables\n");
        return false;
    }
    for (uint32_t i = 0; program->has_threads && i < program->instance_count; i++)
        if (gives_other_memory(program, program->instances[i])) {
            fprintf(stderr,
                    "%s: in a program with threads, a module that imports functions of the system must use the "
                    "program's first memory\n",
                    program->instances[i]->file);
            return false;
        }
    return true;
}

bool program_link(struct program *program)
{
    if (!number_types(program))
        return false;
    for (uint32_t i = 0; i < program->instance_count; i++) {
        struct instance *instance = program->instances[i];
        struct link_error error;
        if (link_instance(program, instance, &error))
            continue;
        if (!instance->may_fail)
            return false;
        printf("unlinkable %s: %s\n", instance->name, error.text);
        instance->is_dropped = true;
    }
    for (uint32_t i = 0; i < program->instance_count; i++) {
        struct link_error error;
        if (program->instances[i]->is_dropped || link_ends(program, program->instances[i], &error))
            continue;
        print_link_error(program->instances[i], &error);
        return false;
    }
    program->has_threads = spawns_threads(program);
    return place_memories(program) && check_threads(program) && count_table_entries(program);
}
