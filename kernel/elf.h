/* The root task's executable: ELF64, static, read in place. Source: System V ABI, "Object Files" (ELF-64). */
#ifndef KERNEL_ELF_H
#define KERNEL_ELF_H

#include <abi/types.h>

struct elf_segment {
    const uint8_t *data;
    word address, file_bytes, memory_bytes;
    word rights; /* RIGHT_READ, RIGHT_WRITE, RIGHT_EXEC */
};

struct elf {
    const uint8_t *base;
    uint64_t bytes;
    word entry;
    unsigned program_header_count;
};

/* NULL, or what is wrong with the file. */
const char *elf_open(struct elf *elf, const void *base, uint64_t bytes, unsigned machine);
/* The n-th program header, n < program_header_count: *segment has memory_bytes 0 if there is nothing to load. All of
 * a segment lies in the file and below `address_limit`. NULL, or what is wrong. */
const char *elf_segment(const struct elf *elf, unsigned n, word address_limit, struct elf_segment *segment);

#endif
