/* Joins lines and scopes to one list of places; dwarf.h has the contract. */
#include <stdlib.h>

#include "dwarf/internal.h"
#include "memory.h"

/* From `address` on, until the next one. */
struct segment {
    uint64_t address;
    uint32_t scope;
};

/* ---- scopes ---- */

/* Those that begin first come first, and of them the outer ones. */
static int range_compare(const void *left, const void *right)
{
    const struct scope_range *a = left, *b = right;
    if (a->low != b->low)
        return a->low < b->low ? -1 : 1;
    if (a->depth != b->depth)
        return a->depth < b->depth ? -1 : 1;
    return a->scope < b->scope ? -1 : a->scope > b->scope;
}

static void add_segment(struct segment *segments, uint32_t *count, uint64_t address, uint32_t scope)
{
    if (*count > 0 && segments[*count - 1].address == address)
        --*count;
    segments[(*count)++] = (struct segment){address, scope};
}

/* The innermost scope of every address. Ranges that cross, which is wrong, are cut at the outer one's end. */
static struct segment *segments_make(struct reading *reading, uint32_t *count)
{
    struct segment *segments = allocate(2 * (size_t)reading->range_count + 1, sizeof *segments);
    struct scope_range *open = allocate(reading->range_count, sizeof *open);
    uint32_t open_count = 0;
    *count = 0;
    if (reading->range_count)
        qsort(reading->ranges, reading->range_count, sizeof *reading->ranges, range_compare);
    for (uint32_t i = 0; i <= reading->range_count; i++) {
        struct scope_range *range = i < reading->range_count ? &reading->ranges[i] : NULL;
        while (open_count > 0 && (!range || open[open_count - 1].high <= range->low)) {
            uint64_t end = open[--open_count].high;
            if (open_count == 0 || open[open_count - 1].high > end)
                add_segment(segments, count, end, open_count ? open[open_count - 1].scope : DWARF_NONE);
        }
        if (!range)
            break;
        if (open_count > 0 && range->high > open[open_count - 1].high)
            range->high = open[open_count - 1].high;
        open[open_count++] = *range;
        add_segment(segments, count, range->low, range->scope);
    }
    free(open);
    return segments;
}

/* ---- lines ---- */

/* Of several at one address the last counts, but for the end of a sequence. */
static int row_compare(const void *left, const void *right)
{
    const struct line_row *a = left, *b = right;
    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    if (a->is_end != b->is_end)
        return a->is_end ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* ---- both ---- */

static void add_place(struct dwarf *dwarf, struct dwarf_place place)
{
    struct dwarf_place *last = dwarf->place_count ? &dwarf->places[dwarf->place_count - 1] : NULL;
    if (last && last->scope == place.scope && last->file == place.file && last->line == place.line)
        return;
    dwarf->places[dwarf->place_count++] = place;
}

static void rows_choose(struct reading *reading)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < reading->row_count; i++)
        if (reading->tables[reading->rows[i].table].is_wanted)
            reading->rows[kept++] = reading->rows[i];
    reading->row_count = kept;
}

static void places_make(struct reading *reading)
{
    uint32_t segment_count, row = 0, segment = 0;
    struct segment *segments = segments_make(reading, &segment_count);
    struct dwarf *dwarf = reading->dwarf;
    dwarf->places = allocate((size_t)reading->row_count + segment_count, sizeof *dwarf->places);
    if (reading->row_count)
        qsort(reading->rows, reading->row_count, sizeof *reading->rows, row_compare);
    struct dwarf_place place = {.scope = DWARF_NONE, .file = DWARF_NONE};
    while (row < reading->row_count || segment < segment_count) {
        uint64_t next_row = row < reading->row_count ? reading->rows[row].address : UINT64_MAX;
        uint64_t next_segment = segment < segment_count ? segments[segment].address : UINT64_MAX;
        place.address = next_row < next_segment ? next_row : next_segment;
        for (; row < reading->row_count && reading->rows[row].address == place.address; row++) {
            place.file = reading->rows[row].file;
            place.line = reading->rows[row].line;
        }
        if (next_segment == place.address)
            place.scope = segments[segment++].scope;
        add_place(dwarf, place);
    }
    free(segments);
}

static void directories_complete(struct reading *reading)
{
    for (uint32_t i = 0; i < reading->table_count; i++) {
        const struct line_table *table = &reading->tables[i];
        for (uint32_t file = 0; file < table->count && table->directory; file++)
            if (!reading->dwarf->files[table->first + file].unit_directory[0])
                reading->dwarf->files[table->first + file].unit_directory = table->directory;
    }
}

bool dwarf_read(const struct dwarf_input *input, struct dwarf *dwarf, struct dwarf_error *error)
{
    struct reading reading = {.input = input, .dwarf = dwarf, .error = error};
    *dwarf = (struct dwarf){0};
    *error = (struct dwarf_error){0};
    read_lines(&reading);
    read_units(&reading);
    directories_complete(&reading);
    if (input->producer)
        rows_choose(&reading);
    places_make(&reading);
    free(reading.tables);
    free(reading.rows);
    free(reading.ranges);
    return !error->message;
}

void dwarf_free(struct dwarf *dwarf)
{
    free(dwarf->files);
    free(dwarf->scopes);
    free(dwarf->places);
    *dwarf = (struct dwarf){0};
}

const struct dwarf_place *dwarf_find(const struct dwarf *dwarf, uint64_t address)
{
    uint32_t low = 0, high = dwarf->place_count; /* the answer is before `high` and not before `low` - 1 */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (dwarf->places[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &dwarf->places[low - 1] : NULL;
}
