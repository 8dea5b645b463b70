/* From objects to a program image: ld.lld joins them, then the notes are added. */
#ifndef TESSERA_AOT_LINK_H
#define TESSERA_AOT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lower/lower.h"

struct link_input {
    enum target target;
    char **files; /* objects, libraries, and blobs (names ending in .blob: constant data), in link order */
    unsigned file_count;
    const char *folder; /* for intermediate files */
    const char *start;  /* the symbol that becomes wasm_export__start; NULL: as it is */
};

/* Runs the linker; the linked ELF file, which the caller frees. NULL: the linker or we have said why. */
uint8_t *link_run(const struct link_input *input, size_t *size);

#endif
