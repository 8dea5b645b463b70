/* What the files of this folder share. */
#ifndef TESSERA_AOT_DWARF_INTERNAL_H
#define TESSERA_AOT_DWARF_INTERNAL_H

#include "dwarf/dwarf.h"

/* Bounds on what short hostile sections can make a reader do; compilers stay far below. */
#define LIMIT_ATTRIBUTES   128u /* of an abbreviation */
#define LIMIT_INLINE_DEPTH 100u /* functions inlined in one another: deeper ones count for those around them */

struct line_row {
    uint64_t address;
    uint32_t file, line;
    uint32_t table;
    uint32_t order; /* of appearance */
    bool is_end;    /* nothing is known from here on */
};

/* A range of addresses of a scope, with the depth of its inlining. */
struct scope_range {
    uint64_t low, high;
    uint32_t scope, depth;
};

/* The files of one line table: in dwarf.files from `first`. `base` is the number of its first one. */
struct line_table {
    uint64_t offset;
    uint32_t first, count, base;
    const char *directory; /* the unit's own, when a unit has named the table */
    bool is_wanted;        /* a unit of the wanted producer has */
};

struct reading {
    const struct dwarf_input *input;
    struct dwarf *dwarf;
    struct dwarf_error *error;
    struct line_table *tables; /* ascending by offset */
    uint32_t table_count;
    struct line_row *rows;
    uint32_t row_count;
    struct scope_range *ranges;
    uint32_t range_count;
};

/* A part of a section, read front to back. The first error is kept; from then on everything reads as 0 and the stream
 * is at its end, so that loops end. */
struct stream {
    struct reading *reading;
    enum dwarf_section_kind section;
    const uint8_t *bytes; /* of the section */
    uint64_t position, end;
    bool has_failed;
};

/* The whole section from `offset` on. */
struct stream stream_open(struct reading *reading, enum dwarf_section_kind section, uint64_t offset);
void stream_fail(struct stream *stream, const char *message);
static inline bool stream_at_end(const struct stream *stream)
{
    return stream->position >= stream->end;
}
uint64_t stream_fixed(struct stream *stream, unsigned bytes);
uint64_t stream_uleb(struct stream *stream);
int64_t stream_sleb(struct stream *stream);
void stream_skip(struct stream *stream, uint64_t bytes);
const char *stream_text(struct stream *stream);
/* The text at an offset of another section; "" and an error of this stream when there is none. */
const char *stream_text_at(struct stream *stream, enum dwarf_section_kind section, uint64_t offset);
/* A unit's length: ends the stream there. */
void stream_unit(struct stream *stream, uint64_t *next);

/* Room for one more in an array that doubles. */
void *array_room(void *array, uint32_t count, size_t size);

/* line.c: all line tables, to reading.tables, .rows and dwarf.files. */
void read_lines(struct reading *reading);
/* The file of a unit's line table, or DWARF_NONE. */
uint32_t line_file(const struct line_table *table, uint64_t number);
struct line_table *line_table_find(const struct reading *reading, uint64_t offset);

/* info.c: all units, to dwarf.scopes and reading.ranges. Needs read_lines. */
void read_units(struct reading *reading);

#endif
