/* The line tables: DWARF 5 chapter 6.2, and version 4's for its header. */
#include <stdlib.h>

#include "dwarf/internal.h"

enum { LNS_COPY = 1, LNS_ADVANCE_PC, LNS_ADVANCE_LINE, LNS_SET_FILE, LNS_CONST_ADD_PC = 8, LNS_FIXED_ADVANCE_PC };
enum { LNE_END_SEQUENCE = 1, LNE_SET_ADDRESS, LNE_DEFINE_FILE };
enum { LNCT_PATH = 1, LNCT_DIRECTORY_INDEX = 2 };
enum {
    FORM_DATA2 = 0x05,
    FORM_DATA4 = 0x06,
    FORM_DATA8 = 0x07,
    FORM_STRING = 0x08,
    FORM_BLOCK = 0x09,
    FORM_DATA1 = 0x0b,
    FORM_STRP = 0x0e,
    FORM_UDATA = 0x0f,
    FORM_DATA16 = 0x1e,
    FORM_LINE_STRP = 0x1f
};

#define MAXIMUM_FORMATS 16u

struct header {
    unsigned version;
    unsigned minimum_length, line_range, opcode_base;
    int8_t line_base;
    uint8_t operand_counts[256];
    const char **directories;
    uint32_t directory_count;
    struct line_table table;
};

static void add_file(struct reading *reading, struct header *header, const char *name, uint64_t directory)
{
    struct dwarf *dwarf = reading->dwarf;
    dwarf->files = array_room(dwarf->files, dwarf->file_count, sizeof *dwarf->files);
    const char *unit = header->directory_count ? header->directories[0] : "";
    dwarf->files[dwarf->file_count++] =
        (struct dwarf_file){.name = name,
                            .directory = directory < header->directory_count ? header->directories[directory] : "",
                            .unit_directory = unit};
    header->table.count++;
}

static void add_directory(struct header *header, const char *text)
{
    header->directories = array_room(header->directories, header->directory_count, sizeof *header->directories);
    header->directories[header->directory_count++] = text;
}

/* ---- version 5: tables with a format ---- */

struct entry {
    const char *path;
    uint64_t directory;
};

static void read_content(struct stream *stream, uint64_t content, uint64_t form, struct entry *entry)
{
    uint64_t value = 0;
    const char *text = NULL;
    switch (form) {
    case FORM_STRING:
        text = stream_text(stream);
        break;
    case FORM_LINE_STRP:
        text = stream_text_at(stream, DWARF_LINE_STR, stream_fixed(stream, 4));
        break;
    case FORM_STRP:
        text = stream_text_at(stream, DWARF_STR, stream_fixed(stream, 4));
        break;
    case FORM_DATA1:
        value = stream_fixed(stream, 1);
        break;
    case FORM_DATA2:
        value = stream_fixed(stream, 2);
        break;
    case FORM_DATA4:
        value = stream_fixed(stream, 4);
        break;
    case FORM_DATA8:
        value = stream_fixed(stream, 8);
        break;
    case FORM_DATA16:
        stream_skip(stream, 16);
        break;
    case FORM_UDATA:
        value = stream_uleb(stream);
        break;
    case FORM_BLOCK:
        stream_skip(stream, stream_uleb(stream));
        break;
    default:
        stream_fail(stream, "a file table has a form that is not known");
    }
    if (content == LNCT_PATH && text)
        entry->path = text;
    if (content == LNCT_DIRECTORY_INDEX)
        entry->directory = value;
}

/* One of the two tables: directories, or files. */
static void read_entries(struct stream *stream, struct header *header, bool is_files)
{
    struct {
        uint64_t content, form;
    } formats[MAXIMUM_FORMATS];
    unsigned format_count = (unsigned)stream_fixed(stream, 1);
    if (format_count > MAXIMUM_FORMATS)
        stream_fail(stream, "a file table has too many columns");
    for (unsigned i = 0; i < format_count && !stream->has_failed; i++) {
        formats[i].content = stream_uleb(stream);
        formats[i].form = stream_uleb(stream);
    }
    uint64_t count = stream_uleb(stream);
    if (count > stream->end - stream->position)
        stream_fail(stream, "a file table has more entries than bytes");
    for (uint64_t i = 0; i < count && !stream->has_failed; i++) {
        struct entry entry = {.path = ""};
        for (unsigned format = 0; format < format_count; format++)
            read_content(stream, formats[format].content, formats[format].form, &entry);
        if (stream->has_failed)
            return;
        if (is_files)
            add_file(stream->reading, header, entry.path, entry.directory);
        else
            add_directory(header, entry.path);
    }
}

/* ---- versions 2 to 4: lists that end with an empty text ---- */

static void read_old_file(struct stream *stream, struct header *header, const char *name)
{
    uint64_t directory = stream_uleb(stream);
    stream_uleb(stream); /* time */
    stream_uleb(stream); /* length */
    if (!stream->has_failed)
        add_file(stream->reading, header, name, directory);
}

static void read_old_tables(struct stream *stream, struct header *header)
{
    const char *text;
    header->table.base = 1;
    add_directory(header, ""); /* 0 is the unit's own, which the unit itself names */
    while ((text = stream_text(stream)) && text[0])
        add_directory(header, text);
    while (!stream->has_failed && (text = stream_text(stream)) && text[0])
        read_old_file(stream, header, text);
}

/* Leaves the stream at the first opcode. */
static void read_header(struct stream *stream, struct header *header)
{
    header->version = (unsigned)stream_fixed(stream, 2);
    if (header->version < 2 || header->version > 5)
        stream_fail(stream, "a line table of an unknown version");
    if (header->version == 5)
        stream_skip(stream, 2); /* sizes of addresses and segments */
    uint64_t length = stream_fixed(stream, 4);
    if (length > stream->end - stream->position)
        stream_fail(stream, "a header's length leads beyond the end");
    struct stream inner = *stream;
    inner.end = stream->position + (stream->has_failed ? 0 : length);
    header->minimum_length = (unsigned)stream_fixed(&inner, 1);
    if (header->version >= 4)
        stream_skip(&inner, 1); /* operations of an instruction: 1 but for VLIW */
    stream_skip(&inner, 1);     /* whether rows are statements to begin with */
    header->line_base = (int8_t)stream_fixed(&inner, 1);
    header->line_range = (unsigned)stream_fixed(&inner, 1);
    header->opcode_base = (unsigned)stream_fixed(&inner, 1);
    if (header->line_range == 0 || header->opcode_base == 0)
        stream_fail(&inner, "a line table with a range or base of 0");
    for (unsigned i = 1; i < header->opcode_base; i++)
        header->operand_counts[i] = (uint8_t)stream_fixed(&inner, 1);
    header->table.first = stream->reading->dwarf->file_count;
    if (header->version == 5) {
        read_entries(&inner, header, false);
        read_entries(&inner, header, true);
    } else {
        read_old_tables(&inner, header);
    }
    if (inner.has_failed)
        stream_fail(stream, "");
    else
        stream->position = inner.end;
}

/* ---- the program ---- */

struct machine {
    uint64_t address;
    uint64_t file;
    uint32_t line;
    bool is_program; /* the sequence is one of code that the linker kept */
};

static void add_row(struct stream *stream, const struct header *header, struct machine *machine, bool is_end)
{
    struct reading *reading = stream->reading;
    uint64_t address = machine->address;
    if (!machine->is_program || address < reading->input->low || address > reading->input->high)
        return;
    reading->rows = array_room(reading->rows, reading->row_count, sizeof *reading->rows);
    struct line_row *row = &reading->rows[reading->row_count];
    *row = (struct line_row){.address = address,
                             .order = reading->row_count++,
                             .is_end = is_end,
                             .table = reading->table_count,
                             .file = DWARF_NONE};
    if (is_end)
        return;
    row->line = machine->line;
    row->file = line_file(&header->table, machine->file);
}

static struct machine machine_start(void)
{
    return (struct machine){.file = 1, .line = 1};
}

static void run_extended(struct stream *stream, struct header *header, struct machine *machine)
{
    uint64_t length = stream_uleb(stream);
    if (length == 0 || length > stream->end - stream->position) {
        stream_fail(stream, "an extended opcode's length leads beyond the end");
        return;
    }
    struct stream inner = *stream;
    inner.end = stream->position + length;
    switch (stream_fixed(&inner, 1)) {
    case LNE_END_SEQUENCE:
        add_row(stream, header, machine, true);
        *machine = machine_start();
        break;
    case LNE_SET_ADDRESS:
        machine->address = length > 9 ? 0 : stream_fixed(&inner, (unsigned)length - 1);
        machine->is_program =
            machine->address >= stream->reading->input->low && machine->address < stream->reading->input->high;
        break;
    case LNE_DEFINE_FILE:
        read_old_file(&inner, header, stream_text(&inner));
        break;
    default: /* discriminators and what others may have added */
        break;
    }
    stream->position += length;
}

static void run_standard(struct stream *stream, const struct header *header, struct machine *machine, unsigned opcode)
{
    switch (opcode) {
    case LNS_COPY:
        add_row(stream, header, machine, false);
        return;
    case LNS_ADVANCE_PC:
        machine->address += stream_uleb(stream) * header->minimum_length;
        return;
    case LNS_ADVANCE_LINE:
        machine->line += (uint32_t)stream_sleb(stream);
        return;
    case LNS_SET_FILE:
        machine->file = stream_uleb(stream);
        return;
    case LNS_CONST_ADD_PC:
        machine->address += (255 - header->opcode_base) / header->line_range * header->minimum_length;
        return;
    case LNS_FIXED_ADVANCE_PC:
        machine->address += stream_fixed(stream, 2);
        return;
    default:
        for (unsigned i = 0; i < header->operand_counts[opcode]; i++)
            stream_uleb(stream);
    }
}

static void run_program(struct stream *stream, struct header *header)
{
    struct machine machine = machine_start();
    while (!stream_at_end(stream)) {
        unsigned opcode = (unsigned)stream_fixed(stream, 1);
        if (opcode == 0) {
            run_extended(stream, header, &machine);
        } else if (opcode < header->opcode_base) {
            run_standard(stream, header, &machine, opcode);
        } else {
            unsigned step = opcode - header->opcode_base;
            machine.address += (uint64_t)(step / header->line_range) * header->minimum_length;
            machine.line += (uint32_t)(header->line_base + (int)(step % header->line_range));
            add_row(stream, header, &machine, false);
        }
    }
}

uint32_t line_file(const struct line_table *table, uint64_t number)
{
    uint64_t index = number - table->base;
    return index < table->count ? table->first + (uint32_t)index : DWARF_NONE;
}

struct line_table *line_table_find(const struct reading *reading, uint64_t offset)
{
    uint32_t low = 0, high = reading->table_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (reading->tables[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < reading->table_count && reading->tables[low].offset == offset ? &reading->tables[low] : NULL;
}

/* One table after the other, whether a unit names them or not. One that is wrong does not hide those behind it. */
void read_lines(struct reading *reading)
{
    struct stream section = stream_open(reading, DWARF_LINE, 0);
    while (!stream_at_end(&section)) {
        struct header header = {.table.offset = section.position};
        struct stream stream = section;
        uint64_t next;
        stream_unit(&stream, &next);
        if (stream.has_failed)
            return;
        read_header(&stream, &header);
        run_program(&stream, &header);
        free(header.directories);
        reading->tables = array_room(reading->tables, reading->table_count, sizeof *reading->tables);
        reading->tables[reading->table_count++] = header.table;
        section.position = next;
    }
}
