/* Builds, loads and frees the set of instances that makes a program. program.h has the contract; resolve.c links. */
#include "program.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "binaryen.h"
#include "lower/lower.h"
#include "memory.h"

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

bool program_accepts_name(const struct program *program, const char *name)
{
    return *name && is_plain_name(name) && strcmp(name, "wasm") != 0 && !program_find(program, name);
}

/* A module's name as the name of an instance that no other has. */
static char *instance_name(const struct program *program, const char *name)
{
    char *plain = copy_text(name);
    for (char *c = plain; *c; c++)
        if (!is_plain_character(*c))
            *c = '_';
    while (!program_accepts_name(program, plain)) {
        char *longer = format_text("%s_", plain);
        free(plain);
        plain = longer;
    }
    return plain;
}

bool program_add_linked(struct program *program, const char *name, const char *file)
{
    for (uint32_t i = 0; i < program->instance_count; i++)
        if (program->instances[i]->import_name && strcmp(program->instances[i]->import_name, name) == 0) {
            fprintf(stderr, "tessera-aot: --link %s is given twice\n", name);
            return false;
        }
    char *plain = instance_name(program, name);
    program_add(program, plain, file)->import_name = copy_text(name);
    free(plain);
    return true;
}

void program_bind_linked(struct program *program)
{
    for (uint32_t i = 0; i < program->instance_count; i++)
        for (uint32_t provider = 0; provider < program->instance_count; provider++)
            if (i != provider && program->instances[provider]->import_name)
                program_bind(program->instances[i], program->instances[provider]->import_name,
                             program->instances[provider]);
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

/* ---- loading ---- */

/* Reads and validates what `instance->bytes` hold. */
static bool instance_parse(struct instance *instance, unsigned features)
{
    struct module_error error;
    instance->is_loaded = true;
    if (module_load(instance->bytes, instance->size, features, &instance->module, &error))
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
