/* What the fuzzers of the DWARF reader demand of it: whatever the bytes are, its result keeps its promises. */
#ifndef TESSERA_TESTS_DWARF_PROMISES_H
#define TESSERA_TESTS_DWARF_PROMISES_H

#include "dwarf/dwarf.h"

/* Ends the program with `what` unless the condition holds. */
void require(bool condition, const char *what);

/* Goes through all that dwarf_read gave: indices within bounds, parents before their children, places in order and
 * found. */
void check_result(const struct dwarf *dwarf, bool is_whole, const struct dwarf_error *error);

#endif
