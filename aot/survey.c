/* The survey of a module; survey.h has the contract. */
#include "survey.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "wasm/operator.h"

/* ---- imports and exports ---- */

static void place_imports(struct survey *survey, const struct module *module)
{
    for (int kind = 0; kind < EXTERNAL_KINDS; kind++)
        survey->import_positions[kind] = allocate(module->import_count, sizeof **survey->import_positions);
    for (uint32_t i = 0; i < module->import_count; i++)
        survey->import_positions[module->imports[i].kind][module->imports[i].index] = i;
}

static int name_compare(struct name a, struct name b)
{
    int difference = memcmp(a.bytes, b.bytes, a.length < b.length ? a.length : b.length);
    return difference ? difference : (a.length > b.length) - (a.length < b.length);
}

static int export_compare(const void *a, const void *b, void *exports)
{
    const struct module_export *all = exports;
    return name_compare(all[*(const uint32_t *)a].name, all[*(const uint32_t *)b].name);
}

static void sort_exports(struct survey *survey, const struct module *module)
{
    survey->exports = allocate(module->export_count, sizeof *survey->exports);
    for (uint32_t i = 0; i < module->export_count; i++)
        survey->exports[i] = i;
    if (module->export_count > 1)
        qsort_r(survey->exports, module->export_count, sizeof *survey->exports, export_compare, module->exports);
}

const struct module_export *survey_export(const struct survey *survey, const struct module *module, struct name name)
{
    uint32_t low = 0, high = module->export_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct module_export *export = &module->exports[survey->exports[middle]];
        int order = name_compare(name, export->name);
        if (order == 0)
            return export;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* ---- names ---- */

/* The names that are taken: open addressing, a power of two in size and never more than half full. */
struct taken_name {
    const char *text;
    uint32_t next_suffix; /* the first that was not tried for this name */
};

struct taken_names {
    struct taken_name *slots;
    size_t capacity;
};

static struct taken_name *taken_slot(const struct taken_names *taken, const char *text)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (const char *c = text; *c; c++)
        hash = (hash ^ (uint8_t)*c) * 0x100000001b3;
    size_t slot = hash & (taken->capacity - 1);
    while (taken->slots[slot].text && strcmp(taken->slots[slot].text, text) != 0)
        slot = (slot + 1) & (taken->capacity - 1);
    return &taken->slots[slot];
}

/* Takes `name`, or the first of "name.1", "name.2" ... that is free. The text is the caller's. */
static char *name_take(struct taken_names *taken, char *name)
{
    static const char reserved[] = "import."; /* begins the names of the ways to native functions */
    struct taken_name *slot = taken_slot(taken, name);
    if (!slot->text && strncmp(name, reserved, strlen(reserved)) != 0) {
        slot->text = name;
        return name;
    }
    for (;;) {
        char *candidate = format_text("%s.%u", name, ++slot->next_suffix);
        struct taken_name *other = taken_slot(taken, candidate);
        if (!other->text) {
            other->text = candidate;
            free(name);
            return candidate;
        }
        free(candidate);
    }
}

/* The name section's names, else the first under which a function is exported, else "functionN". */
static void name_functions(struct survey *survey, const struct module *module)
{
    struct taken_names taken = {.capacity = 64};
    while (taken.capacity < 2 * (size_t)module->function_count)
        taken.capacity *= 2;
    taken.slots = allocate(taken.capacity, sizeof *taken.slots);
    struct name *names = allocate(module->function_count, sizeof *names);
    for (uint32_t i = 0; i < module->function_count; i++)
        names[i] = module->functions[i].name;
    for (uint32_t i = 0; i < module->export_count; i++)
        if (module->exports[i].kind == EXTERNAL_FUNCTION && names[module->exports[i].index].length == 0)
            names[module->exports[i].index] = module->exports[i].name;
    survey->symbols = allocate(module->function_count, sizeof *survey->symbols);
    for (uint32_t i = 0; i < module->function_count; i++) {
        struct name name = names[i];
        bool is_fit = name.length > 0 && !memchr(name.bytes, 0, name.length);
        char *text = is_fit ? format_text("%.*s", (int)name.length, name.bytes) : format_text("function%u", i);
        survey->symbols[i] = name_take(&taken, text);
    }
    free(names);
    free(taken.slots);
}

/* ---- bodies ---- */

/* Some of LLVM's optimisations take more than linear time in one of these; a function beyond a limit is translated
 * without optimisation. The limits lie above what compilers make of code that people wrote: in npm's largest modules
 * and others, 66 MB, the most were 331 loops, ten within each other, 617 blocks within each other, and 2^20 locals
 * times labels (but 40,000 operators in a row in a function of constants). */
#define COMPLEX_BODY_BYTES       (1u << 20)
#define COMPLEX_LOOPS            600u
#define COMPLEX_LOOP_DEPTH       40u
#define COMPLEX_BLOCK_DEPTH      1200u
#define COMPLEX_BLOCK_OPERATORS  20000u
#define COMPLEX_LOCALS_BY_LABELS (1ull << 24)

/* A loop takes LLVM one to three milliseconds, however short it is. A module with this many loops and fewer bytes of
 * code for each has functions that are nothing but loops, many in each or many of them, which are not optimised. (In
 * real modules there are 400 bytes and more for each.) */
#define DENSE_LOOPS      2000u
#define DENSE_LOOP_BYTES 100u

/* A walk over one body. */
struct body_walk {
    uint8_t *is_loop; /* of each open block */
    uint32_t depth, loop_depth, deepest_loop, loop_count;
    uint64_t label_count;
    uint32_t operators, most_operators; /* without a label or a branch between */
};

static void walk_block_open(struct body_walk *walk, bool is_loop)
{
    walk->is_loop[walk->depth++] = is_loop;
    walk->loop_depth += is_loop;
    walk->loop_count += is_loop;
    if (walk->loop_depth > walk->deepest_loop)
        walk->deepest_loop = walk->loop_depth;
    walk->label_count++;
}

static void walk_step(struct body_walk *walk, const struct operation *op)
{
    if (operator_opens_block(op->code))
        walk_block_open(walk, op->code == OP_LOOP);
    else if ((op->code == OP_END || op->code == OP_DELEGATE) && walk->depth > 0)
        walk->loop_depth -= walk->is_loop[--walk->depth];
    else if (op->code == OP_BR_IF || op->code == OP_BR_TABLE)
        walk->label_count += 1 + op->label_count;
    bool is_border = operator_opens_block(op->code) || op->code == OP_END || op->code == OP_BR_IF;
    walk->operators = is_border ? 0 : walk->operators + 1;
    if (walk->operators > walk->most_operators)
        walk->most_operators = walk->operators;
}

static bool is_complex(const struct function_body *body, const struct body_walk *walk)
{
    return body->size > COMPLEX_BODY_BYTES || body->maximum_depth > COMPLEX_BLOCK_DEPTH ||
           walk->loop_count > COMPLEX_LOOPS || walk->deepest_loop > COMPLEX_LOOP_DEPTH ||
           walk->most_operators > COMPLEX_BLOCK_OPERATORS ||
           walk->label_count * body->local_count > COMPLEX_LOCALS_BY_LABELS;
}

static void note_operator(struct survey *survey, uint16_t code)
{
    enum operator_group group = (enum operator_group)opcode_table[code].group;
    survey->grows_tables |= code == OP_TABLE_GROW;
    survey->changes_tables |=
        group == GROUP_TABLE && code != OP_TABLE_GET && code != OP_TABLE_SIZE && code != OP_ELEM_DROP;
    survey->has_exceptions |= group == GROUP_EXCEPTION;
    survey->has_tail_calls |= code == OP_RETURN_CALL || code == OP_RETURN_CALL_INDIRECT || code == OP_RETURN_CALL_REF;
}

/* A function that calls itself may hold copies of itself, several levels deep, while they are not larger than this. */
#define RECURSION_BYTES  512u
#define RECURSION_LEVELS 8u

static uint8_t recursion_levels(uint32_t body_bytes, uint32_t own_calls)
{
    uint64_t copies = 1, bytes = 0;
    for (uint8_t level = 0; level < RECURSION_LEVELS; level++) {
        copies *= own_calls;
        bytes += copies * body_bytes;
        if (own_calls == 0 || bytes > RECURSION_BYTES)
            return level;
    }
    return RECURSION_LEVELS;
}

static bool survey_function(struct survey *survey, const struct module *module, uint32_t function, uint32_t *loop_count)
{
    struct operator_reader reader;
    struct operation op;
    struct module_error error;
    const struct function_body *body = &module->functions[function].body;
    struct body_walk walk = {.is_loop = allocate((size_t)body->maximum_depth + 1, 1)};
    uint32_t own_calls = 0;
    bool is_read = true;
    operator_reader_open_body(&reader, module, function);
    while (!operator_reader_at_end(&reader) && (is_read = operator_read(&reader, &op, &error))) {
        note_operator(survey, op.code);
        walk_step(&walk, &op);
        own_calls += op.code == OP_CALL && op.index == function;
    }
    operator_reader_close(&reader);
    survey->is_complex[function] = is_complex(body, &walk);
    survey->recursion[function] = recursion_levels(body->size, own_calls);
    survey->code_bytes += body->size;
    *loop_count = walk.loop_count;
    free(walk.is_loop);
    return is_read;
}

/* Of a module with too many loops for its size: the functions that make it so. */
static void mark_dense_loops(struct survey *survey, const struct module *module, const uint32_t *loop_counts)
{
    uint64_t loops = 0;
    for (uint32_t i = 0; i < module->function_count; i++)
        loops += survey->is_complex[i] ? 0 : loop_counts[i];
    if (loops < DENSE_LOOPS || loops * DENSE_LOOP_BYTES < survey->code_bytes)
        return;
    for (uint32_t i = 0; i < module->function_count; i++)
        if (loop_counts[i] && (uint64_t)loop_counts[i] * DENSE_LOOP_BYTES > module->functions[i].body.size)
            survey->is_complex[i] = true;
}

static bool survey_bodies(struct survey *survey, const struct module *module)
{
    bool is_done = true;
    uint32_t *loop_counts = allocate(module->function_count, sizeof *loop_counts);
    survey->is_complex = allocate(module->function_count, sizeof *survey->is_complex);
    survey->recursion = allocate(module->function_count, sizeof *survey->recursion);
    for (uint32_t i = module->imported_function_count; i < module->function_count && is_done; i++)
        is_done = survey_function(survey, module, i, &loop_counts[i]);
    mark_dense_loops(survey, module, loop_counts);
    free(loop_counts);
    return is_done;
}

bool survey_module(struct survey *survey, const struct module *module)
{
    *survey = (struct survey){0};
    place_imports(survey, module);
    sort_exports(survey, module);
    name_functions(survey, module);
    return survey_bodies(survey, module);
}

void survey_free(struct survey *survey)
{
    for (int kind = 0; kind < EXTERNAL_KINDS; kind++)
        free(survey->import_positions[kind]);
    free(survey->exports);
    free(survey->symbols);
    free(survey->is_complex);
    free(survey->recursion);
}
