/* What the passes ask about a module again and again, found out by going over it once, in time proportional to its size
 * (times a logarithm at most). */
#ifndef TESSERA_AOT_SURVEY_H
#define TESSERA_AOT_SURVEY_H

#include "wasm/module.h"

#define EXTERNAL_KINDS (EXTERNAL_TAG + 1)

struct survey {
    uint32_t *import_positions[EXTERNAL_KINDS]; /* of each imported entity: its place among module.imports */
    uint32_t *exports;                          /* places in module.exports, in the order of names */
    char **symbols;     /* of each function: its name, unique among the module's, fit to be part of a symbol */
    bool *is_complex;   /* of each function: optimising it could take more than its size makes one expect */
    uint8_t *recursion; /* of each function: how many levels of the calls of itself may be inlined */
    uint64_t code_bytes;
    /* What operators there are. */
    bool grows_tables;   /* a table.grow */
    bool changes_tables; /* something that writes to a table */
    bool has_exceptions;
    bool has_tail_calls;
};

/* Fills *survey for a valid module; survey_free is due in any case. False: out of memory. */
bool survey_module(struct survey *survey, const struct module *module);
void survey_free(struct survey *survey);

/* The export of this name, or NULL. */
const struct module_export *survey_export(const struct survey *survey, const struct module *module, struct name name);

#endif
