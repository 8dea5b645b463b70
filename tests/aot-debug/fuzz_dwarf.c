/* Coverage-guided fuzzing of the DWARF reader (libFuzzer). An input is one byte, whose bit 0 says whether units of
 * other producers are left out, and for each kind of section, in the order of dwarf.h, its length in two bytes, the
 * lower one first, and its bytes. Mutations change one section or put one from elsewhere into its place, so that the
 * others still fit together.
 *
 * The first inputs came from programs that clang compiled (seeds.py); corpus.bin has what added coverage since.
 */
#include <stdlib.h>
#include <string.h>

#include "dwarf_promises.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t most, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

/* Addresses of the inputs' code lie below. */
#define CODE_END 0x100000u

enum { SECTION_BYTES = 0xffff };

struct sections {
    uint8_t flags;
    struct dwarf_section list[DWARF_SECTIONS];
};

/* What is missing at the end is empty. */
static void sections_read(const uint8_t *data, size_t size, struct sections *sections)
{
    size_t at = 1;
    *sections = (struct sections){.flags = size ? data[0] : 0};
    for (unsigned kind = 0; kind < DWARF_SECTIONS && size >= at + 2; kind++) {
        size_t length = (size_t)(data[at] | data[at + 1] << 8);
        at += 2;
        if (length > size - at)
            length = size - at;
        sections->list[kind] = (struct dwarf_section){data + at, length};
        at += length;
    }
}

/* The size, or 0: there is no room. */
static size_t sections_write(const struct sections *sections, uint8_t *out, size_t most)
{
    size_t size = 1;
    for (unsigned kind = 0; kind < DWARF_SECTIONS; kind++)
        size += 2 + sections->list[kind].size;
    if (size > most)
        return 0;
    uint8_t *next = out;
    *next++ = sections->flags;
    for (unsigned kind = 0; kind < DWARF_SECTIONS; kind++) {
        const struct dwarf_section *section = &sections->list[kind];
        *next++ = (uint8_t)section->size;
        *next++ = (uint8_t)(section->size >> 8);
        if (section->size)
            memcpy(next, section->bytes, section->size);
        next += section->size;
    }
    return size;
}

/* Each section lies in memory of its exact size: a byte too far is seen. An empty one has no address, as when there is
 * none. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sections sections;
    struct dwarf dwarf;
    struct dwarf_error error;
    sections_read(data, size, &sections);
    struct dwarf_input input = {.low = 1, .high = CODE_END, .producer = sections.flags & 1 ? DWARF_OUR_PRODUCER : NULL};
    uint8_t *copies[DWARF_SECTIONS];
    for (unsigned kind = 0; kind < DWARF_SECTIONS; kind++) {
        struct dwarf_section section = sections.list[kind];
        copies[kind] = section.size ? malloc(section.size) : NULL;
        require(copies[kind] || !section.size, "no memory");
        if (section.size)
            memcpy(copies[kind], section.bytes, section.size);
        input.sections[kind] = (struct dwarf_section){copies[kind], section.size};
    }
    bool is_whole = dwarf_read(&input, &dwarf, &error);
    check_result(&dwarf, is_whole, &error);
    dwarf_free(&dwarf);
    for (unsigned kind = 0; kind < DWARF_SECTIONS; kind++)
        free(copies[kind]);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int seed)
{
    static uint8_t changed[SECTION_BYTES], whole[DWARF_SECTIONS * (SECTION_BYTES + 2) + 1];
    struct sections sections;
    sections_read(data, size, &sections);
    if (seed % 64 == 0)
        sections.flags ^= 1;
    struct dwarf_section *section = &sections.list[seed / 64 % DWARF_SECTIONS];
    if (section->size == 0) /* mostly one that is there: the entries and the lines are always */
        section = &sections.list[seed / 1024 % 2 ? DWARF_INFO : DWARF_LINE];
    if (section->size)
        memcpy(changed, section->bytes, section->size);
    size_t room = section->size + 16 < SECTION_BYTES ? section->size + 16 : SECTION_BYTES;
    section->size = LLVMFuzzerMutate(changed, section->size, room);
    section->bytes = changed;
    size_t written = sections_write(&sections, whole, most < sizeof whole ? most : sizeof whole);
    if (written == 0)
        return LLVMFuzzerMutate(data, size, most);
    memcpy(data, whole, written);
    return written;
}

/* A section of one input in place of the other's. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t most, unsigned int seed)
{
    struct sections sections, others;
    sections_read(data1, size1, &sections);
    sections_read(data2, size2, &others);
    unsigned kind = seed % DWARF_SECTIONS;
    sections.list[kind] = others.list[kind];
    return sections_write(&sections, out, most);
}
