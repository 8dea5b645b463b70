/* The abbreviations of one unit: which attributes, in which forms, its entries have. */
#ifndef TESSERA_AOT_DWARF_ABBREVIATION_H
#define TESSERA_AOT_DWARF_ABBREVIATION_H

#include "dwarf/internal.h"

struct attribute {
    uint64_t name, form;
    int64_t implicit; /* the value, for the form that has it here */
};

struct abbreviation {
    uint64_t code, tag;
    bool has_children;
    uint32_t first_attribute, attribute_count;
};

/* Kept from one unit to the next, which often has the same. */
struct abbreviations {
    uint64_t offset;           /* of the table that is held; meaningful with a count */
    uint64_t bytes_read;       /* so far: tables may not overlap without end */
    struct abbreviation *list; /* by code */
    uint32_t count;
    struct attribute *attributes;
    uint32_t attribute_count;
};

/* False: said in the stream of the unit, `unit`. */
bool abbreviations_read(struct abbreviations *table, struct stream *unit, uint64_t offset);
const struct abbreviation *abbreviation_find(const struct abbreviations *table, uint64_t code);
void abbreviations_free(struct abbreviations *table);

#endif
