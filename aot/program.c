/* Builds and links the set of instances that make a program. program.h has the contract. */
#include "program.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "binaryen.h"
#include "image/image.h"
#include "lower/lower.h"
#include "memory.h"

struct native_import {
    const char *module, *name, *parameters, *result;
};

static const struct native_import native_imports[] = {
#define IMPORT(module, name, parameters, result) {#module, #name, parameters, result},
#include "image/imports.def"
#undef IMPORT
};

/* ---- building ---- */

struct instance *program_add(struct program *program, const char *name, const char *file)
{
    struct instance *instance = allocate(1, sizeof *instance);
    instance->name = copy_text(name);
    instance->file = copy_text(file);
    instance->position = program->instance_count;
    program->instances = reallocate(program->instances, program->instance_count + 1, sizeof *program->instances);
    program->instances[program->instance_count++] = instance;
    return instance;
}

struct instance *program_find(const struct program *program, const char *name)
{
    for (uint32_t i = 0; i < program->instance_count; i++)
        if (strcmp(program->instances[i]->name, name) == 0)
            return program->instances[i];
    return NULL;
}

void program_bind(struct instance *instance, const char *module, struct instance *provider)
{
    instance->bindings = reallocate(instance->bindings, instance->binding_count + 1, sizeof *instance->bindings);
    instance->bindings[instance->binding_count++] = (struct binding){.module = copy_text(module), .provider = provider};
}

static bool is_plain_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_plain_name(const char *text)
{
    while (is_plain_character(*text))
        text++;
    return *text == 0;
}

static char *path_beside(const char *file, const char *name)
{
    const char *slash = strrchr(file, '/');
    if (name[0] == '/' || !slash)
        return copy_text(name);
    return format_text("%.*s/%s", (int)(slash - file), file, name);
}

/* Instances have names of their own; "wasm" begins the main instance's symbols. */
static bool is_instance_name(const struct program *program, const char *name)
{
    return *name && is_plain_name(name) && strcmp(name, "wasm") != 0 && !program_find(program, name);
}

/* A module's name as the name of an instance. */
static char *instance_name(const char *name)
{
    char *plain = copy_text(name);
    for (char *c = plain; *c; c++)
        if (!is_plain_character(*c))
            *c = '_';
    return plain;
}

bool program_add_linked(struct program *program, const char *name, const char *file)
{
    char *plain = instance_name(name);
    bool is_new = is_instance_name(program, plain);
    if (!is_new)
        fprintf(stderr, "tessera-aot: --link %s: this name is taken\n", name);
    struct instance *provider = is_new ? program_add(program, plain, file) : NULL;
    free(plain);
    if (is_new)
        provider->import_name = copy_text(name);
    return is_new;
}

void program_bind_linked(struct program *program)
{
    for (uint32_t i = 0; i < program->instance_count; i++)
        for (uint32_t provider = 0; provider < program->instance_count; provider++)
            if (i != provider && program->instances[provider]->import_name)
                program_bind(program->instances[i], program->instances[provider]->import_name,
                             program->instances[provider]);
}

/* Splits off the next word of a line; words of a set description hold no blanks. */
static char *next_word(char **line)
{
    char *word = *line + strspn(*line, " \t\n");
    char *end = word + strcspn(word, " \t\n");
    *line = *end ? end + 1 : end;
    *end = 0;
    return *word ? word : NULL;
}

/* One line of a set description. `*instance` is the one that `import` lines belong to. */
static const char *set_line(struct program *program, const char *file, char *line, struct instance **instance)
{
    char *command = next_word(&line), *first = next_word(&line), *second = next_word(&line);
    if (!command || command[0] == '#')
        return NULL;
    if (!first || !second || next_word(&line))
        return "expected three words";
    if (strcmp(command, "instance") == 0 || strcmp(command, "unlinkable") == 0) {
        if (!is_instance_name(program, first))
            return "instances need names of their own, of letters, digits and _, and not \"wasm\"";
        char *path = path_beside(file, second);
        *instance = program_add(program, first, path);
        (*instance)->may_fail = command[0] == 'u';
        free(path);
        return NULL;
    }
    if (strcmp(command, "import") == 0 && *instance) {
        size_t length = 0;
        char *module = text_from_hex(first, &length);
        if (!module)
            return "the module's name must be in hexadecimal after `=`, or plain";
        program_bind(*instance, module, NULL);
        (*instance)->bindings[(*instance)->binding_count - 1].provider_name = copy_text(second);
        free(module);
        return NULL;
    }
    return "expected `instance`, `unlinkable` or `import`";
}

/* Instances may be named before they are described. The name that does not exist, or NULL. */
static const char *resolve_bindings(struct program *program)
{
    for (uint32_t i = 0; i < program->instance_count; i++) {
        struct instance *instance = program->instances[i];
        for (uint32_t b = 0; b < instance->binding_count; b++) {
            instance->bindings[b].provider = program_find(program, instance->bindings[b].provider_name);
            if (!instance->bindings[b].provider)
                return instance->bindings[b].provider_name;
        }
    }
    return NULL;
}

bool program_read_set(struct program *program, const char *file)
{
    FILE *stream = fopen(file, "r");
    if (!stream) {
        fprintf(stderr, "%s: %s\n", file, strerror(errno));
        return false;
    }
    char *line = NULL;
    size_t capacity = 0;
    struct instance *instance = NULL;
    const char *problem = NULL;
    unsigned number = 0;
    while (!problem && getline(&line, &capacity, stream) > 0) {
        number++;
        problem = set_line(program, file, line, &instance);
    }
    if (!problem && program->instance_count == 0)
        problem = "no instance";
    const char *unknown = problem ? NULL : resolve_bindings(program);
    if (problem)
        fprintf(stderr, "%s: line %u: %s\n", file, number, problem);
    else if (unknown)
        fprintf(stderr, "%s: there is no instance %s\n", file, unknown);
    free(line);
    fclose(stream);
    return !problem && !unknown;
}

/* ---- loading ---- */

/* Reads and validates what `instance->bytes` hold. */
static bool instance_parse(struct instance *instance, unsigned features)
{
    struct module_error error;
    instance->is_loaded = true;
    if (module_load(instance->bytes, instance->size, features, &instance->module, &error) &&
        lower_check(&instance->module, &error))
        return true;
    char text[1024];
    module_error_format(&error, &instance->module, instance->file, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return false;
}

/* Replaces a valid module by what wasm-opt makes of it. */
static bool instance_optimise(struct instance *instance, unsigned features)
{
    size_t size;
    uint8_t *optimised = binaryen_optimise(instance->bytes, instance->size, &size);
    if (!optimised)
        return false;
    module_free(&instance->module);
    free(instance->bytes);
    instance->bytes = optimised;
    instance->size = size;
    return instance_parse(instance, features);
}

/* The module's DWARF. What is wrong with it is a warning: custom sections make no module invalid. */
static void instance_read_dwarf(struct instance *instance)
{
    const struct module *module = &instance->module;
    const struct custom_section *customs[DWARF_SECTIONS];
    struct dwarf_input input = {.low = 1, .high = 1};
    struct dwarf_error error;
    for (uint32_t i = module->imported_function_count; i < module->function_count; i++)
        input.high = module->functions[i].body.offset + module->functions[i].body.size - module->code_section_offset;
    for (unsigned i = 0; i < DWARF_SECTIONS; i++) {
        customs[i] = module_custom_find(module, dwarf_section_names[i]);
        if (customs[i])
            input.sections[i] = (struct dwarf_section){customs[i]->bytes, customs[i]->size};
    }
    if (!dwarf_read(&input, &instance->dwarf, &error))
        fprintf(stderr, "%s: 0x%" PRIx64 ": warning: %s: %s\n", instance->file,
                (customs[error.section] ? customs[error.section]->offset : 0) + error.offset,
                dwarf_section_names[error.section], error.message);
}

static bool instance_load(struct instance *instance, unsigned features, bool has_wasm_opt)
{
    instance->bytes = read_file(instance->file, &instance->size);
    if (!instance->bytes) {
        fprintf(stderr, "%s: %s\n", instance->file, strerror(errno));
        return false;
    }
    if (!instance_parse(instance, features) || (has_wasm_opt && !instance_optimise(instance, features)))
        return false;
    instance->imports = allocate(instance->module.import_count, sizeof *instance->imports);
    instance->memory_bases = allocate(instance->module.memory_count, sizeof *instance->memory_bases);
    return true;
}

/* Finds out what the instance's module asks of the whole program. */
static bool instance_survey(struct program *program, struct instance *instance)
{
    struct survey *survey = &instance->survey;
    if (!survey_module(survey, &instance->module)) {
        fprintf(stderr, "tessera-aot: out of memory\n");
        return false;
    }
    program->may_grow_tables |= survey->grows_tables;
    program->may_change_tables |= survey->changes_tables;
    program->has_exceptions |= survey->has_exceptions;
    program->has_tail_calls |= survey->has_tail_calls;
    return true;
}

bool program_load(struct program *program, unsigned features)
{
    for (uint32_t i = 0; i < program->instance_count; i++) {
        if (!instance_load(program->instances[i], features, program->has_wasm_opt) ||
            !instance_survey(program, program->instances[i]))
            return false;
        if (program->debug != DEBUG_NONE)
            instance_read_dwarf(program->instances[i]);
    }
    return true;
}

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

/* ---- linking ---- */

/* A link error of one instance. */
struct link_error {
    uint64_t offset;
    char text[512];
};

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

/* Whether what `from` provides as type `a` fits where `to` wants type `b`. Values of the gc proposal's types do not
 * occur, so references are functions, extern values or exceptions. */
static bool heap_matches(const struct instance *from, uint32_t a, const struct instance *to, uint32_t b)
{
    if (a < HEAP_ABSTRACT && b < HEAP_ABSTRACT)
        return from->type_numbers[a] == to->type_numbers[b];
    if (b == HEAP_FUNC || b < HEAP_ABSTRACT)
        return a == b || a == HEAP_NOFUNC || (b == HEAP_FUNC && a < HEAP_ABSTRACT);
    return a == b || (b == HEAP_EXTERN && a == HEAP_NOEXTERN) || (b == HEAP_EXN && a == HEAP_NOEXN);
}

static bool type_matches(const struct instance *from, struct value_type a, const struct instance *to,
                         struct value_type b)
{
    if (a.kind != b.kind)
        return false;
    return a.kind != VALUE_REFERENCE || ((b.nullable || !a.nullable) && heap_matches(from, a.heap, to, b.heap));
}

static bool type_equals(const struct instance *from, struct value_type a, const struct instance *to,
                        struct value_type b)
{
    return type_matches(from, a, to, b) && type_matches(to, b, from, a);
}

static char type_letter(struct value_type type)
{
    return type.kind <= VALUE_F64 ? "iIfF"[type.kind] : '?';
}

/* "(i32 i64) -> i32", for messages. */
static void signature_text(const struct function_type *type, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "(");
    for (uint32_t i = 0; i < type->parameter_count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, i ? " %s" : "%s", value_type_text(type->parameters[i]).text);
    if (used < size)
        used += (size_t)snprintf(text + used, size - used, ") -> (");
    for (uint32_t i = 0; i < type->result_count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, i ? " %s" : "%s", value_type_text(type->results[i]).text);
    if (used < size)
        snprintf(text + used, size - used, ")");
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
    return link_fail(error, import->offset, "unknown import \"%.*s\" \"%.*s\": %s", (int)import->module.length,
                     import->module.bytes, (int)import->name.length, import->name.bytes, type);
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

/* "Import matching" of the core specification. When native code instantiates one by one, memories and tables may have
 * grown by then: their size is checked at run time instead of the minimum here. */
uint64_t memory_maximum_pages(const struct limits *limits)
{
    uint64_t largest = limits->is_64 ? IMAGE_MAX_PAGES_64 : IMAGE_MAX_PAGES;
    return limits->has_maximum && limits->maximum < largest ? limits->maximum : largest;
}

static bool limits_match(const struct limits *provided, const struct limits *wanted, bool checks_minimum)
{
    if (checks_minimum && provided->minimum < wanted->minimum)
        return false;
    if (provided->is_64 != wanted->is_64 || provided->is_shared != wanted->is_shared)
        return false;
    return !wanted->has_maximum || (provided->has_maximum && provided->maximum <= wanted->maximum);
}

static bool entity_matches(const struct instance *provider, uint32_t provided, const struct instance *instance,
                           const struct module_import *import, bool checks_minimum)
{
    const struct module *from = &provider->module, *to = &instance->module;
    const struct global *global, *wanted;
    switch (import->kind) {
    case EXTERNAL_FUNCTION:
        return provider->type_numbers[from->functions[provided].type] ==
               instance->type_numbers[to->functions[import->index].type];
    case EXTERNAL_TABLE:
        return type_equals(provider, from->tables[provided].type, instance, to->tables[import->index].type) &&
               limits_match(&from->tables[provided].limits, &to->tables[import->index].limits, checks_minimum);
    case EXTERNAL_MEMORY:
        return limits_match(&from->memories[provided].limits, &to->memories[import->index].limits, checks_minimum);
    case EXTERNAL_GLOBAL:
        global = &from->globals[provided], wanted = &to->globals[import->index];
        return global->is_mutable == wanted->is_mutable &&
               (wanted->is_mutable ? type_equals(provider, global->type, instance, wanted->type)
                                   : type_matches(provider, global->type, instance, wanted->type));
    case EXTERNAL_TAG:
        return provider->type_numbers[from->tags[provided].type] ==
               instance->type_numbers[to->tags[import->index].type];
    }
    return false;
}

static void limits_text(const struct limits *limits, const char *what, char *text, size_t size)
{
    int used = snprintf(text, size, "%s%s%s of %" PRIu64, limits->is_shared ? "shared " : "",
                        limits->is_64 ? "64-bit " : "", what, limits->minimum);
    if (limits->has_maximum && used > 0 && (size_t)used < size)
        snprintf(text + used, size - (size_t)used, " to %" PRIu64, limits->maximum);
}

/* What a module imports or exports, in words: "function (i32) -> ()", "memory of 1 to 2", ... */
static void entity_text(const struct module *module, enum external_kind kind, uint32_t index, char *text, size_t size)
{
    char signature[160], limits[80];
    switch (kind) {
    case EXTERNAL_FUNCTION:
        signature_text(module_function_type(module, index), signature, sizeof signature);
        snprintf(text, size, "function %s", signature);
        break;
    case EXTERNAL_TABLE:
        limits_text(&module->tables[index].limits, "table", limits, sizeof limits);
        snprintf(text, size, "%s %s", limits, value_type_text(module->tables[index].type).text);
        break;
    case EXTERNAL_MEMORY:
        limits_text(&module->memories[index].limits, "memory", text, size);
        break;
    case EXTERNAL_GLOBAL:
        snprintf(text, size, "%s global %s", module->globals[index].is_mutable ? "mutable" : "immutable",
                 value_type_text(module->globals[index].type).text);
        break;
    case EXTERNAL_TAG:
        signature_text(&module->types[module->tags[index].type], signature, sizeof signature);
        snprintf(text, size, "tag %s", signature);
        break;
    }
}

static bool link_fail_type(const struct instance *provider, const struct module_export *export,
                           const struct instance *instance, const struct module_import *import,
                           struct link_error *error)
{
    char wanted[200], provided[200];
    entity_text(&instance->module, import->kind, import->index, wanted, sizeof wanted);
    entity_text(&provider->module, export->kind, export->index, provided, sizeof provided);
    return link_fail(error, import->offset,
                     "incompatible import type: \"%.*s\" \"%.*s\" is imported as %s but %s exports %s",
                     (int)import->module.length, import->module.bytes, (int)import->name.length, import->name.bytes,
                     wanted, provider->file, provided);
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
            return link_fail(error, import->offset, "unknown import \"%.*s\" \"%.*s\": %s has no such export",
                             (int)import->module.length, import->module.bytes, (int)import->name.length,
                             import->name.bytes, provider->file);
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

bool program_defines_memory(const struct instance *instance, uint32_t memory)
{
    return memory >= instance->module.imported_memory_count ||
           !import_resolution(instance, EXTERNAL_MEMORY, memory)->provider;
}

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

static void print_link_error(const struct instance *instance, const struct link_error *error)
{
    fprintf(stderr, "%s: 0x%" PRIx64 ": %s\n", instance->file, error->offset, error->text);
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
                return link_fail(error, import->offset, "import \"%.*s\" \"%.*s\" leads in a circle",
                                 (int)import->module.length, import->module.bytes, (int)import->name.length,
                                 import->name.bytes);
            const struct resolution *next = import_resolution(at, import->kind, index);
            index = next->index;
            at = next->provider;
        }
    }
    return true;
}

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
    if (program->has_threads && program->has_export_tables) {
        fprintf(stderr, "tessera-aot: a program whose modules start threads cannot have --export-tables\n");
        return false;
    }
    return place_memories(program);
}

char *symbol_mangle(const char *text, size_t length)
{
    char *symbol = allocate(3 * length + 1, 1), *next = symbol;
    for (size_t i = 0; i < length; i++) {
        if (is_plain_character(text[i]))
            *next++ = text[i];
        else
            next += sprintf(next, "$%02x", (unsigned char)text[i]);
    }
    return symbol;
}

/* ---- the end ---- */

static void instance_free(struct instance *instance)
{
    for (uint32_t i = 0; instance->imports && i < instance->module.import_count; i++)
        free(instance->imports[i].symbol);
    for (uint32_t i = 0; i < instance->binding_count; i++)
        free(instance->bindings[i].module), free(instance->bindings[i].provider_name);
    if (instance->is_loaded)
        module_free(&instance->module);
    dwarf_free(&instance->dwarf);
    survey_free(&instance->survey);
    free(instance->imports);
    free(instance->bindings);
    free(instance->memory_bases);
    free(instance->type_numbers);
    free(instance->bytes);
    free(instance->name);
    free(instance->import_name);
    free(instance->file);
    free(instance);
}

void program_free(struct program *program)
{
    for (uint32_t i = 0; i < program->instance_count; i++)
        instance_free(program->instances[i]);
    free(program->instances);
}
