/* See elf.h. The file comes from an archive whose sums were checked, but it may still be anything. */
#include <kernel/elf.h>

struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, program_headers, section_headers;
    uint32_t flags;
    uint16_t header_bytes, program_header_bytes, program_header_count;
    uint16_t section_header_bytes, section_header_count, section_names;
};

struct elf_program_header {
    uint32_t type, flags;
    uint64_t offset, address, physical_address, file_bytes, memory_bytes, alignment;
};

#define ELF_TYPE_EXECUTABLE 2
#define ELF_SEGMENT_LOAD    1
#define ELF_FLAG_EXECUTE    1u
#define ELF_FLAG_WRITE      2u

const char *elf_open(struct elf *elf, const void *base, uint64_t bytes, unsigned machine)
{
    static const uint8_t ident[7] = {0x7f, 'E', 'L', 'F', 2 /* 64 bits */, 1 /* little endian */, 1 /* version */};
    const struct elf_header *header = base;
    if (bytes < sizeof(*header))
        return "it is shorter than an ELF header";
    for (unsigned i = 0; i < sizeof(ident); i++)
        if (header->ident[i] != ident[i])
            return "it is not a 64-bit little-endian ELF file";
    if (header->machine != machine)
        return "it is for another machine";
    if (header->type != ELF_TYPE_EXECUTABLE)
        return "it is not a static executable";
    if (header->program_header_bytes != sizeof(struct elf_program_header) || header->program_headers % 8 != 0)
        return "its program headers have a wrong size or place";
    if (header->program_headers > bytes ||
        (bytes - header->program_headers) / sizeof(struct elf_program_header) < header->program_header_count)
        return "its program headers lie outside of the file";
    *elf = (struct elf){base, bytes, header->entry, header->program_header_count};
    return NULL;
}

const char *elf_segment(const struct elf *elf, unsigned n, word address_limit, struct elf_segment *segment)
{
    const struct elf_header *header = (const struct elf_header *)elf->base;
    const struct elf_program_header *program =
        (const struct elf_program_header *)(elf->base + header->program_headers) + n;
    *segment = (struct elf_segment){0};
    if (program->type != ELF_SEGMENT_LOAD || program->memory_bytes == 0)
        return NULL;
    if (program->offset > elf->bytes || program->file_bytes > elf->bytes - program->offset)
        return "a segment lies outside of the file";
    if (program->file_bytes > program->memory_bytes)
        return "a segment is longer in the file than in memory";
    if (program->address < PAGE_BYTES || program->address >= address_limit ||
        program->memory_bytes > address_limit - program->address)
        return "a segment's address is out of range";
    if ((program->flags & ELF_FLAG_WRITE) && (program->flags & ELF_FLAG_EXECUTE))
        return "a segment is both writable and executable";
    segment->data = elf->base + program->offset;
    segment->address = program->address;
    segment->file_bytes = program->file_bytes;
    segment->memory_bytes = program->memory_bytes;
    segment->rights = RIGHT_READ | (program->flags & ELF_FLAG_WRITE ? RIGHT_WRITE : 0) |
                      (program->flags & ELF_FLAG_EXECUTE ? RIGHT_EXEC : 0);
    return NULL;
}
