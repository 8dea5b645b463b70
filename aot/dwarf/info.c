/* The entries of the units: which functions there are, and which were inlined where. DWARF 5 chapters 3.1, 3.3 and 7.5.
 *
 * Of all entries only units, functions and inlined functions matter; of the others only their length does, and that
 * their children belong to the function around them. */
#include <stdlib.h>
#include <string.h>

#include "dwarf/abbreviation.h"
#include "memory.h"

enum { TAG_COMPILE_UNIT = 0x11, TAG_INLINED_SUBROUTINE = 0x1d, TAG_SUBPROGRAM = 0x2e };
enum { UNIT_COMPILE = 1, UNIT_PARTIAL = 3 };

/* The attributes that are asked for, and what they are numbered by here. */
enum wanted {
    WANT_NAME,
    WANT_STMT_LIST,
    WANT_PRODUCER,
    WANT_LOW_PC,
    WANT_HIGH_PC,
    WANT_COMP_DIR,
    WANT_ABSTRACT_ORIGIN,
    WANT_DECL_FILE,
    WANT_DECL_LINE,
    WANT_SPECIFICATION,
    WANT_RANGES,
    WANT_CALL_FILE,
    WANT_CALL_LINE,
    WANT_LINKAGE_NAME,
    WANT_STR_OFFSETS_BASE,
    WANT_ADDR_BASE,
    WANT_RNGLISTS_BASE,
    WANTED,
};

static const uint16_t attribute_codes[WANTED] = {
    [WANT_NAME] = 0x03,         [WANT_STMT_LIST] = 0x10,     [WANT_LOW_PC] = 0x11,           [WANT_HIGH_PC] = 0x12,
    [WANT_PRODUCER] = 0x25,     [WANT_COMP_DIR] = 0x1b,      [WANT_ABSTRACT_ORIGIN] = 0x31,  [WANT_DECL_FILE] = 0x3a,
    [WANT_DECL_LINE] = 0x3b,    [WANT_SPECIFICATION] = 0x47, [WANT_RANGES] = 0x55,           [WANT_CALL_FILE] = 0x58,
    [WANT_CALL_LINE] = 0x59,    [WANT_LINKAGE_NAME] = 0x6e,  [WANT_STR_OFFSETS_BASE] = 0x72, [WANT_ADDR_BASE] = 0x73,
    [WANT_RNGLISTS_BASE] = 0x74};

/* DWARF 5 table 7.6, as far as the versions up to 5 have it in units of their own. */
enum form {
    FORM_ADDR = 0x01,
    FORM_BLOCK2 = 0x03,
    FORM_BLOCK4 = 0x04,
    FORM_DATA2 = 0x05,
    FORM_DATA4 = 0x06,
    FORM_DATA8 = 0x07,
    FORM_STRING = 0x08,
    FORM_BLOCK = 0x09,
    FORM_BLOCK1 = 0x0a,
    FORM_DATA1 = 0x0b,
    FORM_FLAG = 0x0c,
    FORM_SDATA = 0x0d,
    FORM_STRP = 0x0e,
    FORM_UDATA = 0x0f,
    FORM_REF_ADDR = 0x10,
    FORM_REF1 = 0x11,
    FORM_REF2 = 0x12,
    FORM_REF4 = 0x13,
    FORM_REF8 = 0x14,
    FORM_REF_UDATA = 0x15,
    FORM_SEC_OFFSET = 0x17,
    FORM_EXPRLOC = 0x18,
    FORM_FLAG_PRESENT = 0x19,
    FORM_STRX = 0x1a,
    FORM_ADDRX = 0x1b,
    FORM_DATA16 = 0x1e,
    FORM_LINE_STRP = 0x1f,
    FORM_REF_SIG8 = 0x20,
    FORM_IMPLICIT_CONST = 0x21,
    FORM_LOCLISTX = 0x22,
    FORM_RNGLISTX = 0x23,
    FORM_STRX1 = 0x25,
    FORM_STRX2 = 0x26,
    FORM_STRX3 = 0x27,
    FORM_STRX4 = 0x28,
    FORM_ADDRX1 = 0x29,
    FORM_ADDRX2 = 0x2a,
    FORM_ADDRX3 = 0x2b,
    FORM_ADDRX4 = 0x2c,
};

/* What the value of a form is; what it means depends on the unit's bases, which may come after it. */
enum value_kind {
    VALUE_NONE,
    VALUE_NUMBER,
    VALUE_ADDRESS,
    VALUE_ADDRESS_INDEX,
    VALUE_TEXT,
    VALUE_TEXT_INDEX,
    VALUE_REFERENCE,
    VALUE_RANGE_INDEX,
    VALUE_OTHER
};

struct value {
    enum value_kind kind;
    uint64_t number;
    const char *text;
};

/* A function's entry, to which others may refer. */
struct function_entry {
    uint64_t offset, refers_to; /* 0: to none */
    const char *name;
    bool has_linkage;
    uint32_t file, line;
};

struct open_entry {
    uint32_t scope, depth; /* the scope that its children are in, and how deep that is inlined */
};

struct unit {
    struct reading *reading;
    struct stream stream;
    uint64_t offset;
    unsigned version, address_bytes;
    uint64_t low_pc, addr_base, str_offsets_base, rnglists_base;
    struct line_table *table;
    struct abbreviations *abbreviations;
    struct function_entry **functions;
    uint32_t *function_count;
    uint64_t *range_budget;
};

/* ---- values ---- */

static struct value number_value(enum value_kind kind, uint64_t number)
{
    return (struct value){.kind = kind, .number = number};
}

static struct value text_value(const char *text)
{
    return (struct value){.kind = VALUE_TEXT, .text = text};
}

static struct value skipped(struct stream *stream, uint64_t bytes)
{
    stream_skip(stream, bytes);
    return number_value(VALUE_OTHER, 0);
}

static struct value read_value(struct unit *unit, const struct attribute *attribute)
{
    struct stream *stream = &unit->stream;
    switch (attribute->form) {
    case FORM_ADDR:
        return number_value(VALUE_ADDRESS, stream_fixed(stream, unit->address_bytes));
    case FORM_ADDRX:
        return number_value(VALUE_ADDRESS_INDEX, stream_uleb(stream));
    case FORM_ADDRX1:
    case FORM_ADDRX2:
    case FORM_ADDRX3:
    case FORM_ADDRX4:
        return number_value(VALUE_ADDRESS_INDEX, stream_fixed(stream, (unsigned)(attribute->form - FORM_ADDRX1 + 1)));
    case FORM_DATA1:
    case FORM_FLAG:
        return number_value(VALUE_NUMBER, stream_fixed(stream, 1));
    case FORM_DATA2:
        return number_value(VALUE_NUMBER, stream_fixed(stream, 2));
    case FORM_DATA4:
    case FORM_SEC_OFFSET:
        return number_value(VALUE_NUMBER, stream_fixed(stream, 4));
    case FORM_DATA8:
        return number_value(VALUE_NUMBER, stream_fixed(stream, 8));
    case FORM_UDATA:
    case FORM_LOCLISTX:
        return number_value(VALUE_NUMBER, stream_uleb(stream));
    case FORM_SDATA:
        return number_value(VALUE_NUMBER, (uint64_t)stream_sleb(stream));
    case FORM_IMPLICIT_CONST:
        return number_value(VALUE_NUMBER, (uint64_t)attribute->implicit);
    case FORM_FLAG_PRESENT:
        return number_value(VALUE_NUMBER, 1);
    case FORM_RNGLISTX:
        return number_value(VALUE_RANGE_INDEX, stream_uleb(stream));
    case FORM_STRING:
        return text_value(stream_text(stream));
    case FORM_STRP:
        return text_value(stream_text_at(stream, DWARF_STR, stream_fixed(stream, 4)));
    case FORM_LINE_STRP:
        return text_value(stream_text_at(stream, DWARF_LINE_STR, stream_fixed(stream, 4)));
    case FORM_STRX:
        return number_value(VALUE_TEXT_INDEX, stream_uleb(stream));
    case FORM_STRX1:
    case FORM_STRX2:
    case FORM_STRX3:
    case FORM_STRX4:
        return number_value(VALUE_TEXT_INDEX, stream_fixed(stream, (unsigned)(attribute->form - FORM_STRX1 + 1)));
    case FORM_REF_ADDR:
        return number_value(VALUE_REFERENCE, stream_fixed(stream, unit->version == 2 ? unit->address_bytes : 4));
    case FORM_REF1:
        return number_value(VALUE_REFERENCE, unit->offset + stream_fixed(stream, 1));
    case FORM_REF2:
        return number_value(VALUE_REFERENCE, unit->offset + stream_fixed(stream, 2));
    case FORM_REF4:
        return number_value(VALUE_REFERENCE, unit->offset + stream_fixed(stream, 4));
    case FORM_REF8:
        return number_value(VALUE_REFERENCE, unit->offset + stream_fixed(stream, 8));
    case FORM_REF_UDATA:
        return number_value(VALUE_REFERENCE, unit->offset + stream_uleb(stream));
    case FORM_REF_SIG8:
        return skipped(stream, 8);
    case FORM_DATA16:
        return skipped(stream, 16);
    case FORM_BLOCK1:
        return skipped(stream, stream_fixed(stream, 1));
    case FORM_BLOCK2:
        return skipped(stream, stream_fixed(stream, 2));
    case FORM_BLOCK4:
        return skipped(stream, stream_fixed(stream, 4));
    case FORM_BLOCK:
    case FORM_EXPRLOC:
        return skipped(stream, stream_uleb(stream));
    default:
        stream_fail(stream, "an attribute of an unknown form");
        return number_value(VALUE_NONE, 0);
    }
}

/* Reads the entry's attributes; those that are wanted go to `values`. */
static void read_values(struct unit *unit, const struct abbreviation *abbreviation, struct value values[WANTED])
{
    for (uint32_t i = 0; i < abbreviation->attribute_count && !unit->stream.has_failed; i++) {
        const struct attribute *attribute = &unit->abbreviations->attributes[abbreviation->first_attribute + i];
        struct value value = read_value(unit, attribute);
        for (unsigned wanted = 0; wanted < WANTED; wanted++)
            if (attribute_codes[wanted] == attribute->name)
                values[wanted] = value;
    }
}

static void skip_values(struct unit *unit, const struct abbreviation *abbreviation)
{
    for (uint32_t i = 0; i < abbreviation->attribute_count && !unit->stream.has_failed; i++)
        read_value(unit, &unit->abbreviations->attributes[abbreviation->first_attribute + i]);
}

static uint64_t value_number(const struct value *value, uint64_t otherwise)
{
    return value->kind == VALUE_NUMBER ? value->number : otherwise;
}

/* One element of a table of equal elements, in a section of its own. */
static uint64_t table_element(struct unit *unit, enum dwarf_section_kind section, uint64_t base, uint64_t index,
                              unsigned bytes)
{
    uint64_t size = unit->reading->input->sections[section].size;
    if (base > size || index >= (size - base) / bytes) {
        stream_fail(&unit->stream, "an index leads outside its table");
        return 0;
    }
    struct stream stream = stream_open(unit->reading, section, base + index * bytes);
    return stream_fixed(&stream, bytes);
}

static uint64_t value_address(struct unit *unit, const struct value *value)
{
    if (value->kind == VALUE_ADDRESS_INDEX)
        return table_element(unit, DWARF_ADDR, unit->addr_base, value->number, unit->address_bytes);
    return value->kind == VALUE_ADDRESS ? value->number : 0;
}

static const char *value_text(struct unit *unit, const struct value *value)
{
    if (value->kind != VALUE_TEXT_INDEX)
        return value->text;
    uint64_t offset = table_element(unit, DWARF_STR_OFFSETS, unit->str_offsets_base, value->number, 4);
    return unit->stream.has_failed ? NULL : stream_text_at(&unit->stream, DWARF_STR, offset);
}

static uint32_t value_file(const struct unit *unit, const struct value *value)
{
    return unit->table && value->kind == VALUE_NUMBER ? line_file(unit->table, value->number) : DWARF_NONE;
}

/* ---- ranges ---- */

/* Whether the range is the program's; then it is noted, when there is a scope for it. */
static bool add_range(struct unit *unit, uint64_t low, uint64_t high, uint32_t scope, uint32_t depth)
{
    struct reading *reading = unit->reading;
    if (low >= high || low < reading->input->low || high > reading->input->high)
        return false;
    if (*unit->range_budget == 0) {
        stream_fail(&unit->stream, "lists of ranges overlap");
        return false;
    }
    --*unit->range_budget;
    reading->ranges = array_room(reading->ranges, reading->range_count, sizeof *reading->ranges);
    reading->ranges[reading->range_count++] = (struct scope_range){low, high, scope, depth};
    return true;
}

/* Version 4: pairs of addresses, relative to the unit's unless a pair says otherwise. */
static bool read_old_ranges(struct unit *unit, uint64_t offset, uint32_t scope, uint32_t depth)
{
    struct stream list = stream_open(unit->reading, DWARF_RANGES, offset);
    uint64_t base = unit->low_pc, last = unit->address_bytes == 8 ? UINT64_MAX : UINT32_MAX;
    bool is_any = false;
    while (!stream_at_end(&list) && !unit->stream.has_failed) {
        uint64_t low = stream_fixed(&list, unit->address_bytes), high = stream_fixed(&list, unit->address_bytes);
        if (low == 0 && high == 0)
            return is_any;
        if (low == last)
            base = high;
        else
            is_any |= add_range(unit, base + low, base + high, scope, depth);
    }
    return is_any;
}

enum { RLE_END, RLE_BASE_INDEX, RLE_INDICES, RLE_INDEX_LENGTH, RLE_OFFSETS, RLE_BASE, RLE_START_END, RLE_START_LENGTH };

static uint64_t indexed_address(struct unit *unit, struct stream *list)
{
    return table_element(unit, DWARF_ADDR, unit->addr_base, stream_uleb(list), unit->address_bytes);
}

static bool read_new_ranges(struct unit *unit, uint64_t offset, uint32_t scope, uint32_t depth)
{
    struct stream list = stream_open(unit->reading, DWARF_RNGLISTS, offset);
    uint64_t base = unit->low_pc, low = 0, high = 0;
    bool is_any = false;
    while (!stream_at_end(&list) && !unit->stream.has_failed) {
        unsigned kind = (unsigned)stream_fixed(&list, 1);
        switch (kind) {
        case RLE_END:
            return is_any;
        case RLE_BASE_INDEX:
            base = indexed_address(unit, &list);
            continue;
        case RLE_INDICES:
            low = indexed_address(unit, &list);
            high = indexed_address(unit, &list);
            break;
        case RLE_INDEX_LENGTH:
            low = indexed_address(unit, &list);
            high = low + stream_uleb(&list);
            break;
        case RLE_OFFSETS:
            low = base + stream_uleb(&list);
            high = base + stream_uleb(&list);
            break;
        case RLE_BASE:
            base = stream_fixed(&list, unit->address_bytes);
            continue;
        case RLE_START_END:
            low = stream_fixed(&list, unit->address_bytes);
            high = stream_fixed(&list, unit->address_bytes);
            break;
        case RLE_START_LENGTH:
            low = stream_fixed(&list, unit->address_bytes);
            high = low + stream_uleb(&list);
            break;
        default:
            stream_fail(&list, "a list of ranges has an entry of an unknown kind");
            return is_any;
        }
        is_any |= add_range(unit, low, high, scope, depth);
    }
    return is_any;
}

/* Notes the ranges of an entry for a scope. False: none is the program's. */
static bool read_ranges(struct unit *unit, const struct value values[WANTED], uint32_t scope, uint32_t depth)
{
    const struct value *ranges = &values[WANT_RANGES], *high = &values[WANT_HIGH_PC];
    if (ranges->kind == VALUE_RANGE_INDEX) {
        uint64_t offset = table_element(unit, DWARF_RNGLISTS, unit->rnglists_base, ranges->number, 4);
        return read_new_ranges(unit, unit->rnglists_base + offset, scope, depth);
    }
    if (ranges->kind == VALUE_NUMBER)
        return unit->version >= 5 ? read_new_ranges(unit, ranges->number, scope, depth)
                                  : read_old_ranges(unit, ranges->number, scope, depth);
    if (high->kind == VALUE_NONE)
        return false;
    uint64_t low = value_address(unit, &values[WANT_LOW_PC]);
    uint64_t end = high->kind == VALUE_NUMBER ? low + high->number : value_address(unit, high);
    return add_range(unit, low, end, scope, depth);
}

/* ---- entries ---- */

static bool is_wanted(struct unit *unit, const struct value values[WANTED])
{
    const char *wanted = unit->reading->input->producer, *producer = value_text(unit, &values[WANT_PRODUCER]);
    return !wanted || (producer && strcmp(producer, wanted) == 0);
}

/* The stream ends here when the unit is left out. */
static void read_unit_entry(struct unit *unit, const struct value values[WANTED])
{
    unit->str_offsets_base = value_number(&values[WANT_STR_OFFSETS_BASE], 8);
    unit->addr_base = value_number(&values[WANT_ADDR_BASE], 8);
    unit->rnglists_base = value_number(&values[WANT_RNGLISTS_BASE], 12);
    unit->low_pc = value_address(unit, &values[WANT_LOW_PC]);
    if (values[WANT_STMT_LIST].kind == VALUE_NUMBER)
        unit->table = line_table_find(unit->reading, values[WANT_STMT_LIST].number);
    const char *directory = value_text(unit, &values[WANT_COMP_DIR]);
    if (unit->table && directory)
        unit->table->directory = directory;
    if (!is_wanted(unit, values))
        unit->stream.position = unit->stream.end;
    else if (unit->table)
        unit->table->is_wanted = true;
}

static void add_function(struct unit *unit, uint64_t offset, const struct value values[WANTED])
{
    const struct value *refers =
        &values[values[WANT_ABSTRACT_ORIGIN].kind == VALUE_REFERENCE ? WANT_ABSTRACT_ORIGIN : WANT_SPECIFICATION];
    *unit->functions = array_room(*unit->functions, *unit->function_count, sizeof **unit->functions);
    (*unit->functions)[(*unit->function_count)++] =
        (struct function_entry){.offset = offset,
                                .refers_to = refers->kind == VALUE_REFERENCE ? refers->number : 0,
                                .name = value_text(unit, &values[WANT_NAME]),
                                .has_linkage = values[WANT_LINKAGE_NAME].kind != VALUE_NONE,
                                .file = value_file(unit, &values[WANT_DECL_FILE]),
                                .line = (uint32_t)value_number(&values[WANT_DECL_LINE], 0)};
}

/* A function, or one inlined into the scope of `around`, becomes a scope when it has code. */
static struct open_entry read_scope(struct unit *unit, uint64_t offset, bool is_inlined, struct open_entry around,
                                    const struct value values[WANTED])
{
    struct dwarf *dwarf = unit->reading->dwarf;
    struct open_entry own = {dwarf->scope_count, is_inlined ? around.depth + 1 : 0};
    if (is_inlined && (around.scope == DWARF_NONE || own.depth > LIMIT_INLINE_DEPTH))
        return around;
    if (!read_ranges(unit, values, own.scope, own.depth))
        return is_inlined ? around : (struct open_entry){DWARF_NONE, 0};
    const struct value *origin = &values[WANT_ABSTRACT_ORIGIN];
    dwarf->scopes = array_room(dwarf->scopes, dwarf->scope_count, sizeof *dwarf->scopes);
    dwarf->scopes[dwarf->scope_count++] =
        (struct dwarf_scope){.parent = is_inlined ? around.scope : DWARF_NONE,
                             .call_file = value_file(unit, &values[WANT_CALL_FILE]),
                             .call_line = (uint32_t)value_number(&values[WANT_CALL_LINE], 0),
                             .file = DWARF_NONE,
                             .origin = is_inlined && origin->kind == VALUE_REFERENCE ? origin->number : offset};
    return own;
}

/* The next entry. What its children are in goes to *children. */
static void read_entry(struct unit *unit, uint64_t offset, const struct abbreviation *abbreviation,
                       struct open_entry around, struct open_entry *children)
{
    bool is_unit = abbreviation->tag == TAG_COMPILE_UNIT, is_function = abbreviation->tag == TAG_SUBPROGRAM,
         is_inlined = abbreviation->tag == TAG_INLINED_SUBROUTINE;
    *children = around;
    if (!is_unit && !is_function && !is_inlined) {
        skip_values(unit, abbreviation);
        return;
    }
    struct value values[WANTED] = {0};
    read_values(unit, abbreviation, values);
    if (unit->stream.has_failed)
        return;
    if (is_unit)
        read_unit_entry(unit, values);
    else
        *children = read_scope(unit, offset, is_inlined, around, values);
    if (is_function)
        add_function(unit, offset, values);
}

static void read_entries(struct unit *unit)
{
    struct open_entry *open = NULL, nothing = {DWARF_NONE, 0};
    uint32_t open_count = 0;
    while (!stream_at_end(&unit->stream)) {
        uint64_t offset = unit->stream.position, code = stream_uleb(&unit->stream);
        if (code == 0) {
            open_count -= open_count > 0;
            continue;
        }
        const struct abbreviation *abbreviation = abbreviation_find(unit->abbreviations, code);
        if (!abbreviation) {
            stream_fail(&unit->stream, "an entry with an unknown abbreviation");
            break;
        }
        struct open_entry children;
        read_entry(unit, offset, abbreviation, open_count ? open[open_count - 1] : nothing, &children);
        if (!abbreviation->has_children)
            continue;
        open = array_room(open, open_count, sizeof *open);
        open[open_count++] = children;
    }
    free(open);
}

/* Leaves the stream at the first entry. */
static bool read_unit_header(struct unit *unit)
{
    struct stream *stream = &unit->stream;
    unsigned kind = UNIT_COMPILE;
    unit->version = (unsigned)stream_fixed(stream, 2);
    if (unit->version < 2 || unit->version > 5)
        stream_fail(stream, "a unit of an unknown version");
    if (unit->version == 5) {
        kind = (unsigned)stream_fixed(stream, 1);
        unit->address_bytes = (unsigned)stream_fixed(stream, 1);
    }
    uint64_t abbreviations = stream_fixed(stream, 4);
    if (unit->version < 5)
        unit->address_bytes = (unsigned)stream_fixed(stream, 1);
    if (unit->address_bytes != 4 && unit->address_bytes != 8)
        stream_fail(stream, "a unit with addresses of an unknown size");
    if (kind != UNIT_COMPILE && kind != UNIT_PARTIAL)
        return false; /* types, and parts of programs that lie in other files */
    return !stream->has_failed && abbreviations_read(unit->abbreviations, stream, abbreviations);
}

/* ---- names ---- */

static const struct function_entry *function_find(const struct function_entry *functions, uint32_t count,
                                                  uint64_t offset)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (functions[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && functions[low].offset == offset ? &functions[low] : NULL;
}

/* A concrete function refers to its abstract one, that to its declaration. */
#define REFERENCES 4u

static void scope_describe(struct dwarf_scope *scope, const struct function_entry *functions, uint32_t count)
{
    const struct function_entry *function = function_find(functions, count, scope->origin);
    for (unsigned i = 0; i < REFERENCES && function; i++) {
        if (!scope->name)
            scope->name = function->name;
        scope->has_linkage |= function->has_linkage;
        if (scope->file == DWARF_NONE && function->file != DWARF_NONE) {
            scope->file = function->file;
            scope->line = function->line;
        }
        scope->origin = function->offset;
        function = function->refers_to ? function_find(functions, count, function->refers_to) : NULL;
    }
}

void read_units(struct reading *reading)
{
    const struct dwarf_section *sections = reading->input->sections;
    struct abbreviations abbreviations = {0};
    struct function_entry *functions = NULL;
    uint32_t function_count = 0;
    uint64_t range_budget =
        (uint64_t)sections[DWARF_INFO].size + sections[DWARF_RANGES].size + sections[DWARF_RNGLISTS].size;
    struct stream section = stream_open(reading, DWARF_INFO, 0);
    while (!stream_at_end(&section)) {
        struct unit unit = {.reading = reading,
                            .stream = section,
                            .offset = section.position,
                            .abbreviations = &abbreviations,
                            .functions = &functions,
                            .function_count = &function_count,
                            .range_budget = &range_budget};
        uint64_t next;
        stream_unit(&unit.stream, &next);
        if (unit.stream.has_failed)
            break;
        if (read_unit_header(&unit))
            read_entries(&unit);
        section.position = next;
    }
    for (uint32_t i = 0; i < reading->dwarf->scope_count; i++)
        scope_describe(&reading->dwarf->scopes[i], functions, function_count);
    abbreviations_free(&abbreviations);
    free(functions);
}
