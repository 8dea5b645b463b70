/* Abbreviation tables: DWARF 5 chapter 7.5.3. */
#include "dwarf/abbreviation.h"

#include <stdlib.h>

#include "memory.h"

#define FORM_IMPLICIT_CONST 0x21u

static int compare(const void *left, const void *right)
{
    const struct abbreviation *a = left, *b = right;
    return a->code < b->code ? -1 : a->code > b->code;
}

static void read_attributes(struct abbreviations *table, struct stream *stream, struct abbreviation *abbreviation)
{
    for (;;) {
        struct attribute attribute = {.name = stream_uleb(stream)};
        attribute.form = stream_uleb(stream);
        if (attribute.form == FORM_IMPLICIT_CONST)
            attribute.implicit = stream_sleb(stream);
        if (stream->has_failed || (attribute.name == 0 && attribute.form == 0))
            return;
        if (abbreviation->attribute_count == LIMIT_ATTRIBUTES) {
            stream_fail(stream, "an abbreviation with too many attributes");
            return;
        }
        table->attributes = array_room(table->attributes, table->attribute_count, sizeof *table->attributes);
        table->attributes[table->attribute_count++] = attribute;
        abbreviation->attribute_count++;
    }
}

bool abbreviations_read(struct abbreviations *table, struct stream *unit, uint64_t offset)
{
    if (table->count > 0 && table->offset == offset)
        return true;
    struct stream stream = stream_open(unit->reading, DWARF_ABBREV, offset);
    bool is_ordered = true;
    table->count = table->attribute_count = 0;
    table->offset = offset;
    while (!stream_at_end(&stream)) {
        struct abbreviation abbreviation = {.code = stream_uleb(&stream), .first_attribute = table->attribute_count};
        if (abbreviation.code == 0)
            break;
        abbreviation.tag = stream_uleb(&stream);
        abbreviation.has_children = stream_fixed(&stream, 1);
        read_attributes(table, &stream, &abbreviation);
        if (stream.has_failed)
            break;
        is_ordered &= table->count == 0 || table->list[table->count - 1].code < abbreviation.code;
        table->list = array_room(table->list, table->count, sizeof *table->list);
        table->list[table->count++] = abbreviation;
    }
    table->bytes_read += stream.position - (stream.has_failed ? 0 : offset);
    if (table->bytes_read > 2 * (uint64_t)unit->reading->input->sections[DWARF_ABBREV].size)
        stream_fail(&stream, "tables of abbreviations overlap");
    if (!is_ordered)
        qsort(table->list, table->count, sizeof *table->list, compare);
    if (stream.has_failed)
        stream_fail(unit, "");
    return !stream.has_failed;
}

const struct abbreviation *abbreviation_find(const struct abbreviations *table, uint64_t code)
{
    if (code - 1 < table->count && table->list[code - 1].code == code)
        return &table->list[code - 1];
    struct abbreviation key = {.code = code};
    return table->count ? bsearch(&key, table->list, table->count, sizeof *table->list, compare) : NULL;
}

void abbreviations_free(struct abbreviations *table)
{
    free(table->list);
    free(table->attributes);
}
