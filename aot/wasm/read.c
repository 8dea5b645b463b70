/* The binary format of modules: the sections in their order, and what is in each.
 *
 * Whatever a section's contents need to be taken in safely is checked here (type indices, counts, lengths); all other
 * indices wait for validation. Counts are checked against the bytes that are left before anything is
 * allocated for them.
 *
 * Source: core specification 3.0, "Binary Format", "Modules".
 */
#include <string.h>

#include "internal.h"

enum section {
    SECTION_CUSTOM,
    SECTION_TYPE,
    SECTION_IMPORT,
    SECTION_FUNCTION,
    SECTION_TABLE,
    SECTION_MEMORY,
    SECTION_GLOBAL,
    SECTION_EXPORT,
    SECTION_START,
    SECTION_ELEMENT,
    SECTION_CODE,
    SECTION_DATA,
    SECTION_DATA_COUNT,
    SECTION_TAG,
    SECTION_COUNT,
};

/* What the sections together must agree on. */
struct reading {
    struct module *module;
    struct module_error *error;
    unsigned last_rank;  /* of the last section in section_ranks */
    uint32_t body_count; /* from the code section */
    uint32_t data_count; /* from the data count section */
    uint64_t data_count_offset;
    bool has_names;
    uint32_t names; /* index of the custom section */
};

/* Sections come in this order, each at most once; custom ones are anywhere. */
static const uint8_t section_ranks[SECTION_COUNT] = {
    [SECTION_TYPE] = 1,   [SECTION_IMPORT] = 2,   [SECTION_FUNCTION] = 3,    [SECTION_TABLE] = 4,
    [SECTION_MEMORY] = 5, [SECTION_TAG] = 6,      [SECTION_GLOBAL] = 7,      [SECTION_EXPORT] = 8,
    [SECTION_START] = 9,  [SECTION_ELEMENT] = 10, [SECTION_DATA_COUNT] = 11, [SECTION_CODE] = 12,
    [SECTION_DATA] = 13,
};

/* Append `count` zeroed elements to an array in the arena that holds `*length`, and return the first new one. Called
 * at most twice an array: for its imports and for its own section. Null: out of memory, or a count of 0. */
static void *array_extend(struct arena *arena, void *old, uint32_t length, uint32_t count, size_t size)
{
    unsigned char *bigger = arena_allocate(arena, (size_t)length + count, size);
    if (bigger && length)
        memcpy(bigger, old, length * size);
    return bigger;
}

/* ---- Types of things ---- */

static bool read_limits(struct cursor *cursor, bool is_memory, struct limits *limits)
{
    uint64_t offset = cursor->position;
    unsigned features = cursor->module->features;
    uint8_t flags;
    if (!cursor_read_code(cursor, &flags))
        return false;
    unsigned known = 1 | (is_memory && features & FEATURE_THREADS ? 2u : 0u) | (features & FEATURE_MEMORY64 ? 4u : 0u);
    if (flags & ~known)
        return cursor_malformed(cursor, offset, "malformed limits flags: 0x%02x", flags);
    *limits = (struct limits){.has_maximum = flags & 1, .is_shared = flags & 2, .is_64 = flags & 4};
    if (features & FEATURE_MEMORY64)
        return cursor_read_u64(cursor, &limits->minimum) &&
               (!limits->has_maximum || cursor_read_u64(cursor, &limits->maximum));
    uint32_t minimum, maximum = 0;
    if (!cursor_read_u32(cursor, &minimum) || (limits->has_maximum && !cursor_read_u32(cursor, &maximum)))
        return false;
    limits->minimum = minimum;
    limits->maximum = maximum;
    return true;
}

static bool read_type_index(struct cursor *cursor, uint32_t *type)
{
    uint64_t offset = cursor->position;
    if (!cursor_read_u32(cursor, type))
        return false;
    if (*type >= cursor->module->type_count)
        return cursor_invalid(cursor, offset, "unknown type %u", *type);
    return true;
}

static bool read_table_type(struct cursor *cursor, struct table *table)
{
    table->offset = cursor->position;
    return cursor_read_reference_type(cursor, &table->type) && read_limits(cursor, false, &table->limits);
}

static bool read_memory_type(struct cursor *cursor, struct memory *memory)
{
    memory->offset = cursor->position;
    return read_limits(cursor, true, &memory->limits);
}

static bool read_global_type(struct cursor *cursor, struct global *global)
{
    uint8_t mutability;
    global->offset = cursor->position;
    if (!cursor_read_value_type(cursor, &global->type) || !cursor_read_byte(cursor, &mutability))
        return false;
    if (mutability > 1)
        return cursor_malformed(cursor, cursor->position - 1, "malformed mutability: 0x%02x", mutability);
    global->is_mutable = mutability;
    return true;
}

static bool read_tag_type(struct cursor *cursor, struct tag *tag)
{
    tag->offset = cursor->position;
    uint8_t attribute;
    if (!cursor_read_byte(cursor, &attribute))
        return false;
    if (attribute != 0)
        return cursor_malformed(cursor, tag->offset, "malformed tag attribute: 0x%02x", attribute);
    return read_type_index(cursor, &tag->type);
}

/* ---- Imports: counted first, since the arrays they go to must hold them together ---- */

static bool read_external_kind(struct cursor *cursor, const char *what, enum external_kind *kind)
{
    uint64_t offset = cursor->position;
    uint8_t byte;
    if (!cursor_read_byte(cursor, &byte))
        return false;
    bool has_tags = cursor->module->features & FEATURE_ANY_EXCEPTIONS;
    if (byte > (has_tags ? EXTERNAL_TAG : EXTERNAL_GLOBAL))
        return cursor_malformed(cursor, offset, "malformed %s kind: 0x%02x", what, byte);
    *kind = (enum external_kind)byte;
    return true;
}

/* Where one import's type goes: into the arrays of `into`, at its counts, which grow by one. */
static bool read_import_type(struct cursor *cursor, struct module *into, struct module_import *import)
{
    switch (import->kind) {
    case EXTERNAL_FUNCTION:
        import->index = into->function_count++;
        into->functions[import->index].offset = cursor->position;
        return read_type_index(cursor, &into->functions[import->index].type);
    case EXTERNAL_TABLE:
        import->index = into->table_count++;
        return read_table_type(cursor, &into->tables[import->index]);
    case EXTERNAL_MEMORY:
        import->index = into->memory_count++;
        return read_memory_type(cursor, &into->memories[import->index]);
    case EXTERNAL_GLOBAL:
        import->index = into->global_count++;
        return read_global_type(cursor, &into->globals[import->index]);
    case EXTERNAL_TAG:
        import->index = into->tag_count++;
        return read_tag_type(cursor, &into->tags[import->index]);
    }
    return false;
}

/* Count the imports of each kind without keeping anything. */
static bool count_imports(struct cursor cursor, uint32_t count, uint32_t counts[EXTERNAL_TAG + 1])
{
    for (uint32_t i = 0; i < count; i++) {
        struct module_import import;
        struct function function;
        struct table table;
        struct memory memory;
        struct global global;
        struct tag tag;
        struct module into = {
            .functions = &function, .tables = &table, .memories = &memory, .globals = &global, .tags = &tag};
        if (!cursor_read_name(&cursor, &import.module) || !cursor_read_name(&cursor, &import.name) ||
            !read_external_kind(&cursor, "import", &import.kind) || !read_import_type(&cursor, &into, &import))
            return false;
        counts[import.kind]++;
    }
    return true;
}

static bool allocate_imports(struct module *module, uint32_t count, const uint32_t counts[EXTERNAL_TAG + 1])
{
    struct arena *arena = module->arena;
    module->imports = arena_allocate(arena, count, sizeof *module->imports);
    module->functions = arena_allocate(arena, counts[EXTERNAL_FUNCTION], sizeof *module->functions);
    module->tables = arena_allocate(arena, counts[EXTERNAL_TABLE], sizeof *module->tables);
    module->memories = arena_allocate(arena, counts[EXTERNAL_MEMORY], sizeof *module->memories);
    module->globals = arena_allocate(arena, counts[EXTERNAL_GLOBAL], sizeof *module->globals);
    module->tags = arena_allocate(arena, counts[EXTERNAL_TAG], sizeof *module->tags);
    return (module->imports || !count) && (module->functions || !counts[EXTERNAL_FUNCTION]) &&
           (module->tables || !counts[EXTERNAL_TABLE]) && (module->memories || !counts[EXTERNAL_MEMORY]) &&
           (module->globals || !counts[EXTERNAL_GLOBAL]) && (module->tags || !counts[EXTERNAL_TAG]);
}

static bool read_imports(struct cursor *cursor, struct reading *reading)
{
    struct module *module = reading->module;
    uint32_t count, counts[EXTERNAL_TAG + 1] = {0};
    if (!cursor_read_count(cursor, LIMIT_IMPORTS, 4, "imports", &count) || !count_imports(*cursor, count, counts))
        return false;
    if (!allocate_imports(module, count, counts))
        return cursor_no_memory(cursor);
    for (uint32_t i = 0; i < count; i++) {
        struct module_import *import = &module->imports[i];
        import->offset = cursor->position;
        if (!cursor_read_name(cursor, &import->module) || !cursor_read_name(cursor, &import->name) ||
            !read_external_kind(cursor, "import", &import->kind) || !read_import_type(cursor, module, import))
            return false;
    }
    module->import_count = count;
    module->imported_function_count = module->function_count;
    module->imported_table_count = module->table_count;
    module->imported_memory_count = module->memory_count;
    module->imported_global_count = module->global_count;
    module->imported_tag_count = module->tag_count;
    return true;
}

/* ---- Definitions ---- */

static bool read_functions(struct cursor *cursor, struct reading *reading)
{
    struct module *module = reading->module;
    uint32_t count;
    if (!cursor_read_count(cursor, LIMIT_FUNCTIONS, 1, "functions", &count))
        return false;
    if (count == 0)
        return true;
    module->functions =
        array_extend(module->arena, module->functions, module->function_count, count, sizeof *module->functions);
    if (!module->functions)
        return cursor_no_memory(cursor);
    for (uint32_t i = 0; i < count; i++) {
        struct function *function = &module->functions[module->function_count];
        function->offset = cursor->position;
        if (!read_type_index(cursor, &function->type))
            return false;
        module->function_count++;
    }
    return true;
}

/* 0x40 0x00 type expression, or a type alone. */
static bool read_table(struct cursor *cursor, struct table *table)
{
    uint64_t offset = cursor->position;
    uint8_t first, zero = 0;
    if (!cursor_read_byte(cursor, &first))
        return false;
    bool has_initial = first == 0x40 && cursor->module->features & FEATURE_FUNCTION_REFERENCES;
    if (!has_initial)
        cursor->position = offset;
    else if (!cursor_read_byte(cursor, &zero))
        return false;
    if (zero != 0)
        return cursor_malformed(cursor, offset + 1, "malformed table: zero byte expected");
    return read_table_type(cursor, table) && (!has_initial || cursor_read_expression(cursor, &table->initial));
}

static bool read_tables(struct cursor *cursor, struct reading *reading)
{
    struct module *module = reading->module;
    uint32_t count;
    if (!cursor_read_count(cursor, LIMIT_TABLES, 3, "tables", &count))
        return false;
    if (count == 0)
        return true;
    module->tables = array_extend(module->arena, module->tables, module->table_count, count, sizeof *module->tables);
    if (!module->tables)
        return cursor_no_memory(cursor);
    for (uint32_t i = 0; i < count; i++) {
        if (!read_table(cursor, &module->tables[module->table_count]))
            return false;
        module->table_count++;
    }
    return true;
}

static bool read_memories(struct cursor *cursor, struct reading *reading)
{
    struct module *module = reading->module;
    uint32_t count;
    if (!cursor_read_count(cursor, LIMIT_MEMORIES, 2, "memories", &count))
        return false;
    if (count == 0)
        return true;
    module->memories =
        array_extend(module->arena, module->memories, module->memory_count, count, sizeof *module->memories);
    if (!module->memories)
        return cursor_no_memory(cursor);
    for (uint32_t i = 0; i < count; i++) {
        if (!read_memory_type(cursor, &module->memories[module->memory_count]))
            return false;
        module->memory_count++;
    }
    return true;
}

static bool read_tags(struct cursor *cursor, struct reading *reading)
{
    struct module *module = reading->module;
    uint32_t count;
    if (!cursor_read_count(cursor, LIMIT_TAGS, 2, "tags", &count))
        return false;
    if (count == 0)
        return true;
    module->tags = array_extend(module->arena, module->tags, module->tag_count, count, sizeof *module->tags);
    if (!module->tags)
        return cursor_no_memory(cursor);
    for (uint32_t i = 0; i < count; i++) {
        if (!read_tag_type(cursor, &module->tags[module->tag_count]))
            return false;
        module->tag_count++;
    }
    return true;
}

static bool read_globals(struct cursor *cursor, struct reading *reading)
{
    struct module *module = reading->module;
    uint32_t count;
    if (!cursor_read_count(cursor, LIMIT_GLOBALS, 3, "globals", &count))
        return false;
    if (count == 0)
        return true;
    module->globals =
        array_extend(module->arena, module->globals, module->global_count, count, sizeof *module->globals);
    if (!module->globals)
        return cursor_no_memory(cursor);
    for (uint32_t i = 0; i < count; i++) {
        struct global *global = &module->globals[module->global_count];
        if (!read_global_type(cursor, global) || !cursor_read_expression(cursor, &global->initial))
            return false;
        module->global_count++;
    }
    return true;
}

static bool read_exports(struct cursor *cursor, struct reading *reading)
{
    struct module *module = reading->module;
    uint32_t count;
    if (!cursor_read_count(cursor, LIMIT_EXPORTS, 3, "exports", &count))
        return false;
    module->exports = arena_allocate(module->arena, count, sizeof *module->exports);
    if (count && !module->exports)
        return cursor_no_memory(cursor);
    for (uint32_t i = 0; i < count; i++) {
        struct module_export *export = &module->exports[i];
        export->offset = cursor->position;
        if (!cursor_read_name(cursor, &export->name) || !read_external_kind(cursor, "export", &export->kind) ||
            !cursor_read_u32(cursor, &export->index))
            return false;
    }
    module->export_count = count;
    return true;
}

static bool read_start(struct cursor *cursor, struct reading *reading)
{
    reading->module->has_start = true;
    reading->module->start_offset = cursor->position;
    return cursor_read_u32(cursor, &reading->module->start);
}

/* ---- Element segments ---- */

static bool read_element_functions(struct cursor *cursor, struct arena *arena, struct element_segment *segment)
{
    if (!cursor_read_count(cursor, LIMIT_SEGMENT_ENTRIES, 1, "elements", &segment->count))
        return false;
    /* One more, so that an empty list is not taken for one of expressions. */
    uint32_t *functions = arena_allocate(arena, (size_t)segment->count + 1, sizeof *functions);
    if (!functions)
        return cursor_no_memory(cursor);
    for (uint32_t i = 0; i < segment->count; i++) {
        if (!cursor_read_u32(cursor, &functions[i]))
            return false;
    }
    segment->functions = functions;
    return true;
}

static bool read_element_expressions(struct cursor *cursor, struct arena *arena, struct element_segment *segment)
{
    if (!cursor_read_count(cursor, LIMIT_SEGMENT_ENTRIES, 1, "elements", &segment->count))
        return false;
    struct expression *expressions = arena_allocate(arena, segment->count, sizeof *expressions);
    if (segment->count && !expressions)
        return cursor_no_memory(cursor);
    for (uint32_t i = 0; i < segment->count; i++) {
        if (!cursor_read_expression(cursor, &expressions[i]))
            return false;
    }
    segment->expressions = expressions;
    return true;
}

static bool read_element_kind(struct cursor *cursor)
{
    uint64_t offset = cursor->position;
    uint8_t kind;
    if (!cursor_read_byte(cursor, &kind))
        return false;
    return kind == 0 || cursor_malformed(cursor, offset, "malformed element kind: 0x%02x", kind);
}

/* Flags: 1 passive or declarative; 2 explicit table, or declarative with 1; 4 expressions instead of functions. */
static bool read_element(struct cursor *cursor, struct arena *arena, struct element_segment *segment)
{
    uint32_t flags;
    segment->offset = cursor->position;
    if (!cursor_read_u32(cursor, &flags))
        return false;
    if (flags > 7)
        return cursor_malformed(cursor, segment->offset, "malformed elements segment kind: %u", flags);
    bool has_expressions = flags & 4;
    bool has_type = flags & 3;
    segment->mode = !(flags & 1) ? SEGMENT_ACTIVE : flags & 2 ? SEGMENT_DECLARATIVE : SEGMENT_PASSIVE;
    if (segment->mode == SEGMENT_ACTIVE) {
        if (flags & 2 && !cursor_read_u32(cursor, &segment->table))
            return false;
        if (!cursor_read_expression(cursor, &segment->place))
            return false;
    }
    segment->type = (struct value_type){.kind = VALUE_REFERENCE, .nullable = has_expressions, .heap = HEAP_FUNC};
    if (has_type && !(has_expressions ? cursor_read_reference_type(cursor, &segment->type) : read_element_kind(cursor)))
        return false;
    return has_expressions ? read_element_expressions(cursor, arena, segment)
                           : read_element_functions(cursor, arena, segment);
}

static bool read_elements(struct cursor *cursor, struct reading *reading)
{
    struct module *module = reading->module;
    uint32_t count;
    if (!cursor_read_count(cursor, LIMIT_ELEMENT_SEGMENTS, 3, "element segments", &count))
        return false;
    module->elements = arena_allocate(module->arena, count, sizeof *module->elements);
    if (count && !module->elements)
        return cursor_no_memory(cursor);
    for (uint32_t i = 0; i < count; i++) {
        if (!read_element(cursor, module->arena, &module->elements[i]))
            return false;
    }
    module->element_count = count;
    return true;
}

/* ---- Data segments ---- */

static bool read_data_segment(struct cursor *cursor, struct data_segment *segment)
{
    uint32_t flags;
    segment->offset = cursor->position;
    if (!cursor_read_u32(cursor, &flags))
        return false;
    if (flags > 2)
        return cursor_malformed(cursor, segment->offset, "malformed data segment kind: %u", flags);
    segment->mode = flags == 1 ? SEGMENT_PASSIVE : SEGMENT_ACTIVE;
    if (flags == 2 && !cursor_read_u32(cursor, &segment->memory))
        return false;
    if (segment->mode == SEGMENT_ACTIVE && !cursor_read_expression(cursor, &segment->place))
        return false;
    if (!cursor_read_u32(cursor, &segment->size))
        return false;
    segment->bytes = cursor->module->bytes + cursor->position;
    return cursor_skip(cursor, segment->size);
}

static bool read_data(struct cursor *cursor, struct reading *reading)
{
    struct module *module = reading->module;
    uint32_t count;
    if (!cursor_read_count(cursor, LIMIT_DATA_SEGMENTS, 2, "data segments", &count))
        return false;
    module->data = arena_allocate(module->arena, count, sizeof *module->data);
    if (count && !module->data)
        return cursor_no_memory(cursor);
    for (uint32_t i = 0; i < count; i++) {
        if (!read_data_segment(cursor, &module->data[i]))
            return false;
    }
    module->data_count = count;
    return true;
}

static bool read_data_count(struct cursor *cursor, struct reading *reading)
{
    reading->module->has_data_count = true;
    reading->data_count_offset = cursor->position;
    return cursor_read_u32(cursor, &reading->data_count);
}

/* ---- Function bodies ---- */

static bool read_local_run(struct cursor *cursor, uint64_t *total, struct local_run *run)
{
    uint64_t offset = cursor->position;
    if (!cursor_read_u32(cursor, &run->count) || !cursor_read_value_type(cursor, &run->type))
        return false;
    if (run->count > UINT32_MAX - *total)
        return cursor_malformed(cursor, offset, "too many locals: more than 4294967295");
    run->first = (uint32_t)*total;
    *total += run->count;
    return true;
}

static bool read_locals(struct cursor *cursor, struct arena *arena, struct function_body *body,
                        uint32_t parameter_count)
{
    if (!cursor_read_count(cursor, UINT32_MAX, 2, "local declarations", &body->local_run_count))
        return false;
    struct local_run *runs = arena_allocate(arena, body->local_run_count, sizeof *runs);
    if (body->local_run_count && !runs)
        return cursor_no_memory(cursor);
    uint64_t total = parameter_count;
    for (uint32_t i = 0; i < body->local_run_count; i++) {
        if (!read_local_run(cursor, &total, &runs[i]))
            return false;
    }
    if (total > LIMIT_LOCALS)
        return cursor_unsupported(cursor, body->offset, "too many locals: %llu, the limit is %d",
                                  (unsigned long long)total, LIMIT_LOCALS);
    body->locals = runs;
    body->local_count = (uint32_t)total;
    return true;
}

static bool read_body(struct cursor *cursor, struct reading *reading, uint32_t index)
{
    struct module *module = reading->module;
    struct function_body *body = &module->functions[index].body;
    uint64_t offset = cursor->position;
    if (!cursor_read_u32(cursor, &body->size))
        return false;
    body->offset = cursor->position;
    if (!cursor_skip(cursor, body->size))
        return false;
    struct cursor inner = {module, body->offset, cursor->position, index, reading->error};
    if (body->size > LIMIT_BODY_BYTES)
        return cursor_unsupported(&inner, offset, "function body of %u bytes, the limit is %d", body->size,
                                  LIMIT_BODY_BYTES);
    if (!read_locals(&inner, module->arena, body, module_function_type(module, index)->parameter_count))
        return false;
    body->code_offset = inner.position;
    return true;
}

static bool read_code(struct cursor *cursor, struct reading *reading)
{
    struct module *module = reading->module;
    uint64_t offset = cursor->position;
    module->code_section_offset = offset;
    if (!cursor_read_u32(cursor, &reading->body_count))
        return false;
    uint32_t declared = module->function_count - module->imported_function_count;
    if (reading->body_count != declared)
        return cursor_malformed(cursor, offset,
                                "function and code section have inconsistent lengths: %u functions, %u bodies",
                                declared, reading->body_count);
    for (uint32_t i = 0; i < declared; i++) {
        if (!read_body(cursor, reading, module->imported_function_count + i))
            return false;
    }
    return true;
}

/* ---- Sections ---- */

static bool read_types_section(struct cursor *cursor, struct reading *reading)
{
    return cursor_read_type_section(cursor, reading->module);
}

static bool read_custom(struct cursor *cursor, struct reading *reading)
{
    struct module *module = reading->module;
    struct custom_section *custom = &module->customs[module->custom_count];
    if (!cursor_read_name(cursor, &custom->name))
        return false;
    custom->offset = cursor->position;
    custom->bytes = module->bytes + cursor->position;
    custom->size = (uint32_t)(cursor->end - cursor->position);
    cursor->position = cursor->end;
    if (custom->name.length == 4 && memcmp(custom->name.bytes, "name", 4) == 0 && !reading->has_names) {
        reading->has_names = true;
        reading->names = module->custom_count;
    }
    module->custom_count++;
    return true;
}

static bool (*const section_readers[SECTION_COUNT])(struct cursor *cursor, struct reading *reading) = {
    [SECTION_CUSTOM] = read_custom,         [SECTION_TYPE] = read_types_section, [SECTION_IMPORT] = read_imports,
    [SECTION_FUNCTION] = read_functions,    [SECTION_TABLE] = read_tables,       [SECTION_MEMORY] = read_memories,
    [SECTION_GLOBAL] = read_globals,        [SECTION_EXPORT] = read_exports,     [SECTION_START] = read_start,
    [SECTION_ELEMENT] = read_elements,      [SECTION_CODE] = read_code,          [SECTION_DATA] = read_data,
    [SECTION_DATA_COUNT] = read_data_count, [SECTION_TAG] = read_tags,
};

static bool section_check_order(struct cursor *cursor, struct reading *reading, uint64_t offset, uint8_t id)
{
    bool has_tags = cursor->module->features & FEATURE_ANY_EXCEPTIONS;
    if (id >= SECTION_COUNT || (id == SECTION_TAG && !has_tags))
        return cursor_malformed(cursor, offset, "malformed section id: %u", id);
    if (id == SECTION_CUSTOM)
        return true;
    if (section_ranks[id] <= reading->last_rank)
        return cursor_malformed(cursor, offset, "unexpected content after last section: section %u %s", id,
                                section_ranks[id] == reading->last_rank ? "occurs twice" : "is out of order");
    reading->last_rank = section_ranks[id];
    return true;
}

static bool read_section(struct cursor *cursor, struct reading *reading)
{
    uint64_t offset = cursor->position;
    uint8_t id;
    uint32_t size;
    if (!cursor_read_byte(cursor, &id) || !section_check_order(cursor, reading, offset, id) ||
        !cursor_read_u32(cursor, &size))
        return false;
    struct cursor inner = *cursor;
    if (!cursor_skip(cursor, size))
        return false;
    inner.end = cursor->position;
    if (!section_readers[id](&inner, reading))
        return false;
    if (inner.position != inner.end)
        return cursor_malformed(&inner, inner.position, "section size mismatch: %llu bytes left over in section %u",
                                (unsigned long long)(inner.end - inner.position), id);
    return true;
}

static bool read_header(struct cursor *cursor)
{
    uint64_t magic = 0, version = 0;
    if (!cursor_read_fixed(cursor, 4, &magic))
        return false;
    if (magic != 0x6d736100)
        return cursor_malformed(cursor, 0, "magic header not detected: this is not a WebAssembly module");
    if (!cursor_read_fixed(cursor, 4, &version))
        return false;
    if (version != 1)
        return cursor_malformed(cursor, 4, "unknown binary version%s",
                                version == 0x1000d ? ": this is a component, not a module" : "");
    return true;
}

/* Custom sections are kept in one array: count them on the headers alone. */
static bool allocate_customs(struct cursor cursor, struct module *module)
{
    uint32_t count = 0;
    struct module_error ignored;
    cursor.error = &ignored;
    while (cursor.position < cursor.end) {
        uint8_t id;
        uint32_t size;
        if (!cursor_read_byte(&cursor, &id) || !cursor_read_u32(&cursor, &size) || !cursor_skip(&cursor, size))
            break; /* reported by the real reading, which stops there too */
        count += id == SECTION_CUSTOM;
        if (count > LIMIT_CUSTOM_SECTIONS)
            return false;
    }
    module->customs = arena_allocate(module->arena, (size_t)count + 1, sizeof *module->customs);
    return module->customs;
}

static bool check_agreement(struct cursor *cursor, struct reading *reading)
{
    const struct module *module = reading->module;
    uint32_t declared = module->function_count - module->imported_function_count;
    if (declared != reading->body_count)
        return cursor_malformed(cursor, cursor->end,
                                "function and code section have inconsistent lengths: %u functions, no bodies",
                                declared);
    if (module->has_data_count && reading->data_count != module->data_count)
        return cursor_malformed(cursor, reading->data_count_offset,
                                "data count and data section have inconsistent lengths: %u and %u", reading->data_count,
                                module->data_count);
    return true;
}

static bool read_module(struct cursor *cursor, struct reading *reading)
{
    if (!read_header(cursor))
        return false;
    if (!allocate_customs(*cursor, reading->module))
        return cursor_unsupported(cursor, 8, "too many custom sections, or out of memory");
    while (cursor->position < cursor->end) {
        if (!read_section(cursor, reading))
            return false;
    }
    if (!check_agreement(cursor, reading))
        return false;
    if (reading->has_names)
        module_read_names(reading->module, &reading->module->customs[reading->names]);
    return true;
}

bool module_read(const uint8_t *bytes, size_t size, unsigned features, struct module *module,
                 struct module_error *error)
{
    *module = (struct module){.bytes = bytes, .size = size, .features = features, .arena = arena_create()};
    *error = (struct module_error){.function = MODULE_NO_FUNCTION};
    struct cursor cursor = {module, 0, size, MODULE_NO_FUNCTION, error};
    struct reading reading = {.module = module, .error = error};
    if (!module->arena)
        return cursor_no_memory(&cursor);
    if (size > LIMIT_MODULE_BYTES)
        return cursor_unsupported(&cursor, 0, "module of %llu bytes, the limit is %d", (unsigned long long)size,
                                  LIMIT_MODULE_BYTES);
    return read_module(&cursor, &reading);
}

void module_free(struct module *module)
{
    arena_destroy(module->arena);
    *module = (struct module){0};
}

/* ---- Questions ---- */

const struct function_type *module_function_type(const struct module *module, uint32_t function)
{
    return &module->types[module->functions[function].type];
}

bool module_export_is_procedure(const struct module *module, const struct module_export *export)
{
    if (export->kind != EXTERNAL_FUNCTION || export->index < module->imported_function_count)
        return false;
    const struct function_type *type = module_function_type(module, export->index);
    return type->parameter_count == 0 && type->result_count == 0;
}

void module_function_locals(const struct module *module, uint32_t function, struct value_type *types)
{
    const struct function_type *type = module_function_type(module, function);
    const struct function_body *body = &module->functions[function].body;
    for (uint32_t i = 0; i < type->parameter_count; i++)
        *types++ = type->parameters[i];
    for (uint32_t i = 0; i < body->local_run_count; i++) {
        for (uint32_t n = body->locals[i].count; n > 0; n--)
            *types++ = body->locals[i].type;
    }
}

const struct custom_section *module_custom_find(const struct module *module, const char *name)
{
    size_t length = strlen(name);
    for (uint32_t i = 0; i < module->custom_count; i++) {
        const struct custom_section *custom = &module->customs[i];
        if (custom->name.length == length && memcmp(custom->name.bytes, name, length) == 0)
            return custom;
    }
    return NULL;
}
