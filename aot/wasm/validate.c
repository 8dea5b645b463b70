/* Validation of a module: everything outside function bodies here, bodies and expressions in validate_body.c.
 *
 * Source: core specification 3.0, "Validation", "Modules".
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum { PAGES_32 = 65536 };
static const uint64_t pages_64 = (uint64_t)1 << 48; /* 2^64 bytes */

static const struct value_type type_i32 = {.kind = VALUE_I32};
static const struct value_type type_i64 = {.kind = VALUE_I64};

static bool invalid(struct module_error *error, uint64_t offset, const char *what, uint32_t index)
{
    return error_set(error, MODULE_INVALID, offset, MODULE_NO_FUNCTION, "%s %u", what, index);
}

/* ---- Types ---- */

static bool check_limits(const struct limits *limits, uint64_t bound, const char *bound_text, uint64_t offset,
                         struct module_error *error)
{
    if (limits->minimum > bound || (limits->has_maximum && limits->maximum > bound))
        return error_set(error, MODULE_INVALID, offset, MODULE_NO_FUNCTION, "%s", bound_text);
    if (limits->has_maximum && limits->minimum > limits->maximum)
        return error_set(error, MODULE_INVALID, offset, MODULE_NO_FUNCTION,
                         "size minimum must not be greater than maximum: %llu and %llu",
                         (unsigned long long)limits->minimum, (unsigned long long)limits->maximum);
    return true;
}

static bool check_memories(const struct module *module, struct module_error *error)
{
    if (module->memory_count > 1 && !(module->features & FEATURE_MULTI_MEMORY))
        return error_set(error, MODULE_INVALID, module->memories[1].offset, MODULE_NO_FUNCTION, "multiple memories");
    if (module->memory_count > LIMIT_MEMORIES)
        return error_set(error, MODULE_UNSUPPORTED, module->memories[LIMIT_MEMORIES].offset, MODULE_NO_FUNCTION,
                         "too many memories: %u, the limit is %d", module->memory_count, LIMIT_MEMORIES);
    for (uint32_t i = 0; i < module->memory_count; i++) {
        const struct memory *memory = &module->memories[i];
        bool is_64 = memory->limits.is_64;
        const char *text = is_64 ? "memory size must be at most 2^48 pages (2^64 bytes)"
                                 : "memory size must be at most 65536 pages (4GiB)";
        if (!check_limits(&memory->limits, is_64 ? pages_64 : PAGES_32, text, memory->offset, error))
            return false;
        if (memory->limits.is_shared && !memory->limits.has_maximum)
            return error_set(error, MODULE_INVALID, memory->offset, MODULE_NO_FUNCTION,
                             "shared memory must have maximum");
    }
    return true;
}

static bool check_table(const struct module *module, struct validator *validator, uint32_t index,
                        struct module_error *error)
{
    const struct table *table = &module->tables[index];
    uint64_t bound = table->limits.is_64 ? UINT64_MAX : UINT32_MAX;
    if (!check_limits(&table->limits, bound, "table size must be at most 2^32-1", table->offset, error))
        return false;
    if (table->initial.size)
        return validator_check_expression(validator, table->initial, table->type, module->imported_global_count);
    if (index >= module->imported_table_count && !value_type_has_default(table->type))
        return error_set(error, MODULE_INVALID, table->offset, MODULE_NO_FUNCTION,
                         "type mismatch: a table of %s needs an initial value", value_type_text(table->type).text);
    return true;
}

static bool check_tables(const struct module *module, struct validator *validator, struct module_error *error)
{
    for (uint32_t i = 0; i < module->table_count; i++) {
        if (!check_table(module, validator, i, error))
            return false;
    }
    return true;
}

static bool check_tags(const struct module *module, struct module_error *error)
{
    for (uint32_t i = 0; i < module->tag_count; i++) {
        if (module->types[module->tags[i].type].result_count > 0)
            return error_set(error, MODULE_INVALID, module->tags[i].offset, MODULE_NO_FUNCTION,
                             "non-empty tag result type");
    }
    return true;
}

/* ---- Globals and segments ---- */

/* How many globals a constant expression may name, `all` being those before it. */
static uint32_t visible_globals(const struct module *module, uint32_t all)
{
    return module->features & FEATURE_EXTENDED_CONST ? all : module->imported_global_count;
}

static bool check_globals(const struct module *module, struct validator *validator)
{
    for (uint32_t i = module->imported_global_count; i < module->global_count; i++) {
        const struct global *global = &module->globals[i];
        if (!validator_check_expression(validator, global->initial, global->type, visible_globals(module, i)))
            return false;
    }
    return true;
}

static bool check_element_entries(struct module *module, struct validator *validator,
                                  const struct element_segment *segment, struct module_error *error)
{
    uint32_t globals = visible_globals(module, module->global_count);
    for (uint32_t i = 0; i < segment->count; i++) {
        if (!segment->functions) {
            if (!validator_check_expression(validator, segment->expressions[i], segment->type, globals))
                return false;
            continue;
        }
        if (segment->functions[i] >= module->function_count)
            return invalid(error, segment->offset, "unknown function", segment->functions[i]);
        module->functions[segment->functions[i]].is_declared = true;
    }
    return true;
}

static bool check_element(struct module *module, struct validator *validator, const struct element_segment *segment,
                          struct module_error *error)
{
    if (segment->mode == SEGMENT_ACTIVE) {
        if (segment->table >= module->table_count)
            return invalid(error, segment->offset, "unknown table", segment->table);
        const struct table *table = &module->tables[segment->table];
        if (!value_type_matches(module, segment->type, table->type))
            return error_set(error, MODULE_INVALID, segment->offset, MODULE_NO_FUNCTION,
                             "type mismatch: elements of %s for a table of %s", value_type_text(segment->type).text,
                             value_type_text(table->type).text);
        if (!validator_check_expression(validator, segment->place, table->limits.is_64 ? type_i64 : type_i32,
                                        visible_globals(module, module->global_count)))
            return false;
    }
    return check_element_entries(module, validator, segment, error);
}

static bool check_elements(struct module *module, struct validator *validator, struct module_error *error)
{
    for (uint32_t i = 0; i < module->element_count; i++) {
        if (!check_element(module, validator, &module->elements[i], error))
            return false;
    }
    return true;
}

static bool check_data(const struct module *module, struct validator *validator, struct module_error *error)
{
    for (uint32_t i = 0; i < module->data_count; i++) {
        const struct data_segment *segment = &module->data[i];
        if (segment->mode != SEGMENT_ACTIVE)
            continue;
        if (segment->memory >= module->memory_count)
            return invalid(error, segment->offset, "unknown memory", segment->memory);
        bool is_64 = module->memories[segment->memory].limits.is_64;
        if (!validator_check_expression(validator, segment->place, is_64 ? type_i64 : type_i32,
                                        visible_globals(module, module->global_count)))
            return false;
    }
    return true;
}

/* ---- Exports and start ---- */

static bool check_export_index(struct module *module, const struct module_export *export, struct module_error *error)
{
    static const char *const texts[] = {
        [EXTERNAL_FUNCTION] = "unknown function", [EXTERNAL_TABLE] = "unknown table",
        [EXTERNAL_MEMORY] = "unknown memory",     [EXTERNAL_GLOBAL] = "unknown global",
        [EXTERNAL_TAG] = "unknown tag",
    };
    const uint32_t counts[] = {
        [EXTERNAL_FUNCTION] = module->function_count, [EXTERNAL_TABLE] = module->table_count,
        [EXTERNAL_MEMORY] = module->memory_count,     [EXTERNAL_GLOBAL] = module->global_count,
        [EXTERNAL_TAG] = module->tag_count,
    };
    if (export->index >= counts[export->kind])
        return invalid(error, export->offset, texts[export->kind], export->index);
    if (export->kind == EXTERNAL_FUNCTION)
        module->functions[export->index].is_declared = true;
    return true;
}

/* Order of names, and of places where names are equal. */
static int export_compare(const void *left, const void *right)
{
    const struct module_export *a = *(const struct module_export *const *)left;
    const struct module_export *b = *(const struct module_export *const *)right;
    if (a->name.length != b->name.length)
        return a->name.length < b->name.length ? -1 : 1;
    int order = memcmp(a->name.bytes, b->name.bytes, a->name.length);
    return order ? order : a < b ? -1 : a > b;
}

static bool check_export_names(const struct module *module, struct module_error *error)
{
    uint32_t count = module->export_count;
    if (count < 2)
        return true;
    const struct module_export **sorted = malloc(count * sizeof *sorted);
    if (!sorted)
        return error_set(error, MODULE_NO_MEMORY, 0, MODULE_NO_FUNCTION, "out of memory");
    for (uint32_t i = 0; i < count; i++)
        sorted[i] = &module->exports[i];
    qsort(sorted, count, sizeof *sorted, export_compare);
    const struct module_export *duplicate = NULL;
    for (uint32_t i = 1; i < count; i++) {
        const struct name *a = &sorted[i - 1]->name, *b = &sorted[i]->name;
        bool is_same = a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
        if (is_same && (!duplicate || sorted[i] < duplicate))
            duplicate = sorted[i];
    }
    free(sorted);
    if (!duplicate)
        return true;
    return error_set(error, MODULE_INVALID, duplicate->offset, MODULE_NO_FUNCTION, "duplicate export name \"%s\"",
                     name_text(duplicate->name).text);
}

static bool check_exports(struct module *module, struct module_error *error)
{
    for (uint32_t i = 0; i < module->export_count; i++) {
        if (!check_export_index(module, &module->exports[i], error))
            return false;
    }
    return check_export_names(module, error);
}

static bool check_start(const struct module *module, struct module_error *error)
{
    if (!module->has_start)
        return true;
    if (module->start >= module->function_count)
        return invalid(error, module->start_offset, "unknown function", module->start);
    const struct function_type *type = module_function_type(module, module->start);
    if (type->parameter_count || type->result_count)
        return error_set(error, MODULE_INVALID, module->start_offset, MODULE_NO_FUNCTION,
                         "start function %u must have no parameters and no results", module->start);
    return true;
}

/* ---- The module ---- */

static bool check_bodies(const struct module *module, struct validator *validator)
{
    for (uint32_t i = module->imported_function_count; i < module->function_count; i++) {
        if (!validator_check_body(validator, i))
            return false;
    }
    return true;
}

/* Bodies come last: what ref.func may name in them is found in all the rest. */
static bool check_module(struct module *module, struct validator *validator, struct module_error *error)
{
    return check_memories(module, error) && check_tables(module, validator, error) && check_tags(module, error) &&
           check_globals(module, validator) && check_exports(module, error) && check_start(module, error) &&
           check_elements(module, validator, error) && check_data(module, validator, error) &&
           check_bodies(module, validator);
}

bool module_validate(struct module *module, struct module_error *error)
{
    *error = (struct module_error){.function = MODULE_NO_FUNCTION};
    struct validator *validator = validator_create(module, error);
    if (!validator)
        return error_set(error, MODULE_NO_MEMORY, 0, MODULE_NO_FUNCTION, "out of memory");
    bool is_valid = check_module(module, validator, error);
    validator_destroy(validator);
    return is_valid;
}

bool module_load(const uint8_t *bytes, size_t size, unsigned features, struct module *module,
                 struct module_error *error)
{
    return module_read(bytes, size, features, module, error) && module_validate(module, error);
}
