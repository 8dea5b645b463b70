/* From the linked program's DWARF to the lines note. */
#ifndef IMAGE_LINES_WRITE_H
#define IMAGE_LINES_WRITE_H

#include "dwarf/dwarf.h"
#include "image/image_write.h"

/* Bytes that grow at the end. The owner frees `bytes`. */
struct buffer {
    uint8_t *bytes;
    size_t size, capacity;
};

void buffer_add(struct buffer *buffer, const void *bytes, size_t size);
void buffer_align(struct buffer *buffer, size_t alignment);

/* The DWARF sections of an ELF file that our linker wrote. */
void linked_dwarf_find(const uint8_t *elf, struct dwarf_input *input);

struct buffer lines_note(const struct dwarf *dwarf);

/* The file without its DWARF sections. */
struct buffer linked_strip(const uint8_t *elf, size_t size);

#endif
