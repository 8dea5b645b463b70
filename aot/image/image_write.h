/* Makes program images on the host: the linked ELF file with the notes of image.h at its end. */
#ifndef IMAGE_IMAGE_WRITE_H
#define IMAGE_IMAGE_WRITE_H

#include "image/image.h"

struct image_content {
    uint64_t stack_bytes;
    const struct image_memory *memories;
    uint32_t memory_count;
    const uint8_t *manifest; /* struct image_manifest; NULL: none */
    uint32_t manifest_bytes;
    const char *const
        *instances; /* the modules' names: what their functions' symbols begin with, but for the first's */
    uint32_t instance_count;
    bool has_lines, has_dwarf; /* a lines note; DWARF for gdb */
};

/* The image made of a linked file; the caller frees it. The names of functions come from the file's
 * symbol table. The result has passed image_check. NULL: `*problem` says why, static text. */
uint8_t *image_write(const uint8_t *linked, size_t linked_size, uint32_t machine, const struct image_content *content,
                     size_t *size, const char **problem);

/* The binary manifest of a JSON text; the caller frees it. NULL: `problem` (of `problem_size` bytes) says what is
 * wrong, naming the key. */
uint8_t *manifest_from_json(const char *json, size_t json_size, uint32_t *size, char *problem, size_t problem_size);

#endif
