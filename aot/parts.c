/* The division of a program; parts.h has the contract.
 *
 * A small instance is one LLVM module. Of a large one the variables are a module of their own: LLVM's call graph of a
 * module takes time in proportion to the functions that use a table, times its entries. The functions are spread over
 * modules of about the same size, in their order, since what stands close together in a program calls each other.
 * Functions that LLVM could take too long to optimise (survey.h) come last, in modules that are not optimised. */
#include "parts.h"

#include <stdlib.h>

#include "memory.h"

/* More parts than this share nothing but overhead. */
#define MAXIMUM_PARTS 64u

/* A table of more entries is a module's own from the start. */
#define SMALL_TABLE_ENTRIES 4096u

/* A function of another part that is no larger than this is there to be inlined. */
#define INLINE_BYTES 96u

struct part part_of_instance(const struct instance *instance)
{
    return (struct part){.instance = instance,
                         .lower = {.first_function = instance->module.imported_function_count,
                                   .end_function = instance->module.function_count,
                                   .has_variables = true},
                         .name = copy_text(instance->name),
                         .bytes = instance->survey.code_bytes};
}

static struct part *part_add(struct part_list *list, struct part part)
{
    list->parts = reallocate(list->parts, list->count + 1, sizeof *list->parts);
    list->parts[list->count] = part;
    return &list->parts[list->count++];
}

static uint64_t body_bytes(const struct instance *instance, uint32_t function)
{
    return instance->module.functions[function].body.size;
}

/* How much of the instance's code is, or is not, too complex to be optimised. */
static uint64_t code_bytes(const struct instance *instance, bool is_plain)
{
    uint64_t bytes = 0;
    for (uint32_t i = instance->module.imported_function_count; i < instance->module.function_count; i++)
        if (instance->survey.is_complex[i] == is_plain)
            bytes += body_bytes(instance, i);
    return bytes;
}

static uint64_t element_count(const struct module *module)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < module->element_count; i++)
        count += module->elements[i].count;
    return count;
}

/* While there are few, a power of two: three parts on two cores take as long as four would. */
static uint64_t part_count(uint64_t code_bytes, uint64_t part_bytes)
{
    uint64_t count = code_bytes / part_bytes, even = 1;
    if (count > 8)
        return count > MAXIMUM_PARTS ? MAXIMUM_PARTS : count;
    while (even < count)
        even *= 2;
    return even;
}

/* Adds parts with the functions that are `is_plain`, each of about `part_bytes` or less. */
static void divide_functions(struct part_list *list, const struct instance *instance, bool is_plain,
                             uint64_t part_bytes, uint32_t inline_bytes)
{
    uint64_t all = code_bytes(instance, is_plain), before = 0, count = part_count(all, part_bytes);
    uint32_t function = instance->module.imported_function_count;
    for (uint64_t number = 0; number < count && all > 0; number++) {
        struct part *part = part_add(list, part_of_instance(instance));
        part->lower.first_function = function;
        part->lower.has_variables = false;
        part->lower.has_functions_beside = true;
        part->lower.is_plain = is_plain;
        part->lower.inline_bytes = inline_bytes;
        uint64_t end = all * (number + 1) / count, first = before;
        for (; function < instance->module.function_count && (before < end || number + 1 == count); function++)
            before += instance->survey.is_complex[function] == is_plain ? body_bytes(instance, function) : 0;
        part->lower.end_function = function;
        part->bytes = before - first;
        free(part->name);
        part->name = format_text("%s.%s%u", instance->name, is_plain ? "plain" : "part", (unsigned)number);
    }
}

static void divide_instance(struct part_list *list, const struct instance *instance, unsigned level,
                            uint64_t part_bytes)
{
    uint64_t complex_bytes = level == 0 ? 0 : code_bytes(instance, true);
    if (instance->survey.code_bytes < part_bytes && complex_bytes == 0 &&
        element_count(&instance->module) <= SMALL_TABLE_ENTRIES) {
        part_add(list, part_of_instance(instance));
        return;
    }
    struct part *variables = part_add(list, part_of_instance(instance));
    variables->lower.end_function = variables->lower.first_function;
    variables->lower.has_functions_beside = true;
    variables->bytes = instance->size - instance->survey.code_bytes;
    free(variables->name);
    variables->name = format_text("%s.variables", instance->name);
    unsigned first = list->count;
    divide_functions(list, instance, false, part_bytes, level == 0 ? 0 : INLINE_BYTES);
    divide_functions(list, instance, true, part_bytes, 0);
    if (list->count == first + 1)
        list->parts[first].lower.has_functions_beside = false;
}

void parts_divide(struct part_list *list, const struct program *program, unsigned level, uint64_t part_bytes)
{
    *list = (struct part_list){0};
    for (uint32_t i = 0; i < program->instance_count; i++)
        if (!program->instances[i]->is_dropped)
            divide_instance(list, program->instances[i], level, part_bytes);
    for (unsigned i = 0; i < list->count; i++)
        list->parts[i].lower.copies_recursion = level >= 2 && !list->parts[i].lower.is_plain;
    part_add(list, (struct part){.name = copy_text("program$")});
}

void parts_free(struct part_list *list)
{
    for (unsigned i = 0; i < list->count; i++)
        free(list->parts[i].name);
    free(list->parts);
}
