/* "Import matching" of the core specification; import_match.h has the contract. */
#include "import_match.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- types ---- */

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

/* ---- entities ---- */

static bool limits_match(const struct limits *provided, const struct limits *wanted, bool checks_minimum)
{
    if (checks_minimum && provided->minimum < wanted->minimum)
        return false;
    if (provided->is_64 != wanted->is_64 || provided->is_shared != wanted->is_shared)
        return false;
    return !wanted->has_maximum || (provided->has_maximum && provided->maximum <= wanted->maximum);
}

bool entity_matches(const struct instance *provider, uint32_t provided, const struct instance *instance,
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

/* ---- in words ---- */

void signature_text(const struct function_type *type, char *text, size_t size)
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

static void limits_text(const struct limits *limits, const char *what, char *text, size_t size)
{
    int used = snprintf(text, size, "%s%s%s of %" PRIu64, limits->is_shared ? "shared " : "",
                        limits->is_64 ? "64-bit " : "", what, limits->minimum);
    if (limits->has_maximum && used > 0 && (size_t)used < size)
        snprintf(text + used, size - (size_t)used, " to %" PRIu64, limits->maximum);
}

void entity_text(const struct module *module, enum external_kind kind, uint32_t index, char *text, size_t size)
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
