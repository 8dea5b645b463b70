/* Where a program begins: at the function that its manifest names, else at the main module's "_start". A reactor, which
 * has "_initialize" instead, begins with that (WASI, "Application ABI"). */
#ifndef TESSERA_AOT_ENTRY_H
#define TESSERA_AOT_ENTRY_H

#include "options.h"
#include "program.h"

struct entry {
    uint8_t *manifest; /* in binary form; NULL: none */
    uint32_t manifest_bytes;
    char *symbol; /* of the function; NULL: _start's, or there is none */
};

/* Reads the manifest that the options name and looks at the main module's exports. False: said what is wrong. Says,
 * too, when a program would do nothing at all. */
bool entry_find(const struct options *options, struct program *program, struct entry *entry);
void entry_free(struct entry *entry);

#endif
