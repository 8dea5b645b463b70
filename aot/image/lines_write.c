/* The lines note: what LLVM's DWARF in the linked program says, in the compact form of image.h. */
#include "image/lines_write.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

/* ---- texts, each once ---- */

struct texts {
    struct buffer buffer;
    uint32_t *slots; /* offsets of texts, by hash; a power of two of them */
    uint32_t slot_count, used;
};

static uint32_t text_hash(const char *text)
{
    uint32_t hash = 2166136261u; /* FNV-1a: Fowler, Noll, Vo */
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 16777619u;
    return hash;
}

static uint32_t *text_slot(const struct texts *texts, const char *text)
{
    uint32_t at = text_hash(text);
    while (texts->slots[at & (texts->slot_count - 1)] &&
           strcmp((const char *)texts->buffer.bytes + texts->slots[at & (texts->slot_count - 1)], text) != 0)
        at++;
    return &texts->slots[at & (texts->slot_count - 1)];
}

static void texts_enlarge(struct texts *texts)
{
    struct texts before = *texts;
    texts->slot_count = before.slot_count ? 2 * before.slot_count : 256;
    texts->slots = allocate(texts->slot_count, sizeof *texts->slots);
    for (uint32_t i = 0; i < before.slot_count; i++)
        if (before.slots[i])
            *text_slot(texts, (const char *)texts->buffer.bytes + before.slots[i]) = before.slots[i];
    free(before.slots);
}

/* Its offset; 0 for none. */
static uint32_t text_add(struct texts *texts, const char *text)
{
    if (!text || !text[0])
        return 0;
    if (2 * texts->used >= texts->slot_count)
        texts_enlarge(texts);
    uint32_t *slot = text_slot(texts, text);
    if (!*slot) {
        *slot = (uint32_t)texts->buffer.size;
        buffer_add(&texts->buffer, text, strlen(text) + 1);
        texts->used++;
    }
    return *slot;
}

/* ---- rows ---- */

static void number_add(struct buffer *buffer, uint32_t number)
{
    uint8_t bytes[5];
    unsigned count = 0;
    do {
        bytes[count++] = (uint8_t)((number & 0x7f) | (number > 0x7f ? 0x80 : 0));
        number >>= 7;
    } while (number);
    buffer_add(buffer, bytes, count);
}

struct row {
    uint32_t address, scope, file, line; /* as in the note: numbers and 1, offsets of texts */
};

/* Lines beyond this are not told: the change of line shares its number with flags. */
#define MAXIMUM_LINE 0x1fffffffu

static void row_add(struct buffer *rows, const struct row *row, const struct row *before)
{
    bool is_back = row->line < before->line;
    uint32_t step = is_back ? before->line - row->line : row->line - before->line;
    number_add(rows, row->address - before->address);
    number_add(rows, step << 3 | (is_back ? IMAGE_ROW_BACK : 0) | (row->scope != before->scope ? IMAGE_ROW_SCOPE : 0) |
                         (row->file != before->file ? IMAGE_ROW_FILE : 0));
    if (row->scope != before->scope)
        number_add(rows, row->scope);
    if (row->file != before->file)
        number_add(rows, row->file);
}

struct writing {
    const struct dwarf *dwarf;
    struct texts texts;
    uint32_t *files; /* texts of dwarf.files' names */
    struct buffer blocks, scopes, rows;
};

/* The part of a path that a report shows. */
static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* A file whose line nobody knows, which is the module's own then, is not worth naming. */
static uint32_t file_text(struct writing *writing, uint32_t file, uint32_t line)
{
    if (file == DWARF_NONE || line == 0)
        return 0;
    if (!writing->files[file])
        writing->files[file] = text_add(&writing->texts, base_name(writing->dwarf->files[file].name));
    return writing->files[file];
}

static uint32_t known_line(uint32_t line)
{
    return line <= MAXIMUM_LINE ? line : 0;
}

static void write_scopes(struct writing *writing)
{
    for (uint32_t i = 0; i < writing->dwarf->scope_count; i++) {
        const struct dwarf_scope *scope = &writing->dwarf->scopes[i];
        struct image_line_scope out = {.name = text_add(&writing->texts, scope->name),
                                       .parent = scope->parent == DWARF_NONE ? 0 : scope->parent + 1,
                                       .call_file = file_text(writing, scope->call_file, scope->call_line),
                                       .call_line = known_line(scope->call_line)};
        buffer_add(&writing->scopes, &out, sizeof out);
    }
}

static void write_rows(struct writing *writing)
{
    struct row before = {0};
    uint32_t in_block = 0;
    for (uint32_t i = 0; i < writing->dwarf->place_count; i++) {
        const struct dwarf_place *place = &writing->dwarf->places[i];
        struct row row = {.address = (uint32_t)(place->address - IMAGE_WINDOW_BASE),
                          .scope = place->scope == DWARF_NONE ? 0 : place->scope + 1,
                          .file = file_text(writing, place->file, place->line),
                          .line = known_line(place->line)};
        if (i > 0 && row.scope == before.scope && row.file == before.file && row.line == before.line)
            continue;
        if (in_block == 0) {
            struct image_line_block block = {row.address, (uint32_t)writing->rows.size};
            buffer_add(&writing->blocks, &block, sizeof block);
            before = (struct row){.address = row.address};
        }
        row_add(&writing->rows, &row, &before);
        before = row;
        in_block = (in_block + 1) % IMAGE_LINE_BLOCK_ROWS;
    }
}

struct buffer lines_note(const struct dwarf *dwarf)
{
    struct writing writing = {.dwarf = dwarf, .files = allocate(dwarf->file_count, sizeof(uint32_t))};
    struct buffer note = {0};
    buffer_add(&writing.texts.buffer, "", 1); /* 0 is no text */
    write_scopes(&writing);
    write_rows(&writing);
    struct image_lines header = {.block_count = (uint32_t)(writing.blocks.size / sizeof(struct image_line_block)),
                                 .scope_count = dwarf->scope_count,
                                 .row_bytes = (uint32_t)writing.rows.size,
                                 .text_bytes = (uint32_t)writing.texts.buffer.size};
    const struct buffer *parts[] = {&writing.blocks, &writing.scopes, &writing.rows, &writing.texts.buffer};
    buffer_add(&note, &header, sizeof header);
    for (unsigned i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        buffer_add(&note, parts[i]->bytes, parts[i]->size);
        free(parts[i]->bytes);
    }
    free(writing.texts.slots);
    free(writing.files);
    return note;
}

/* ---- DWARF in the linked program ---- */

static const Elf64_Shdr *section_headers(const uint8_t *elf)
{
    return (const void *)(elf + ((const Elf64_Ehdr *)(const void *)elf)->e_shoff);
}

static const char *section_name(const uint8_t *elf, const Elf64_Shdr *section)
{
    const Elf64_Ehdr *header = (const void *)elf;
    return (const char *)elf + section_headers(elf)[header->e_shstrndx].sh_offset + section->sh_name;
}

static bool is_debug_section(const uint8_t *elf, const Elf64_Shdr *section)
{
    return !(section->sh_flags & SHF_ALLOC) && strncmp(section_name(elf, section), ".debug_", 7) == 0;
}

void linked_dwarf_find(const uint8_t *elf, struct dwarf_input *input)
{
    const Elf64_Ehdr *header = (const void *)elf;
    *input = (struct dwarf_input){
        .low = IMAGE_WINDOW_BASE, .high = IMAGE_WINDOW_BASE + IMAGE_WINDOW_BYTES, .producer = DWARF_OUR_PRODUCER};
    for (unsigned i = 0; i < header->e_shnum; i++) {
        const Elf64_Shdr *section = &section_headers(elf)[i];
        for (unsigned kind = 0; kind < DWARF_SECTIONS; kind++)
            if (strcmp(section_name(elf, section), dwarf_section_names[kind]) == 0)
                input->sections[kind] = (struct dwarf_section){elf + section->sh_offset, section->sh_size};
    }
}

/* The linker script puts them behind all other sections, which then keep their numbers. */
struct buffer linked_strip(const uint8_t *elf, size_t size)
{
    Elf64_Ehdr header;
    struct buffer stripped = {0};
    uint64_t end = 0;
    unsigned kept = 0;
    memcpy(&header, elf, sizeof header);
    for (unsigned i = 0; i < header.e_shnum; i++) {
        const Elf64_Shdr *section = &section_headers(elf)[i];
        if (is_debug_section(elf, section))
            continue;
        uint64_t section_end = section->sh_offset + (section->sh_type == SHT_NOBITS ? 0 : section->sh_size);
        end = section_end > end ? section_end : end;
        kept = i + 1;
    }
    bool is_ordered = kept < header.e_shnum; /* there is one */
    for (unsigned i = 0; i < header.e_shnum; i++)
        is_ordered &=
            !is_debug_section(elf, &section_headers(elf)[i]) || (i >= kept && section_headers(elf)[i].sh_offset >= end);
    buffer_add(&stripped, elf, is_ordered ? end : size);
    if (!is_ordered)
        return stripped;
    buffer_align(&stripped, 8);
    header.e_shoff = stripped.size;
    header.e_shnum = (Elf64_Half)kept;
    buffer_add(&stripped, section_headers(elf), kept * sizeof(Elf64_Shdr));
    memcpy(stripped.bytes, &header, sizeof header);
    return stripped;
}
