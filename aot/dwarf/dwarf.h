/* Reads as much DWARF as tells where code came from: for each address its function, the functions that were inlined
 * around it, the file and the line. Both ends of the translator need it: a module's custom sections before lowering,
 * and the linked program's sections for the lines note (image/lines_write.c).
 *
 * Versions 2 to 5, 32-bit format, little endian: what clang emits for WebAssembly and LLVM for our targets. The bytes
 * are hostile: every length is checked, time and memory are linear in their size, and what is wrong ends the reading of
 * its section with a place and a reason; what came before counts.
 *
 * Source: DWARF Debugging Information Format, version 5 (chapters 2.17, 3.3, 6.2, 7), and version 4 where it differs.
 */
#ifndef TESSERA_AOT_DWARF_H
#define TESSERA_AOT_DWARF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dwarf_section_kind {
    DWARF_INFO,
    DWARF_ABBREV,
    DWARF_LINE,
    DWARF_STR,
    DWARF_LINE_STR,
    DWARF_STR_OFFSETS,
    DWARF_ADDR,
    DWARF_RANGES,
    DWARF_RNGLISTS,
    DWARF_SECTIONS,
};

/* ".debug_info" and so on. */
extern const char *const dwarf_section_names[DWARF_SECTIONS];

struct dwarf_section {
    const uint8_t *bytes;
    size_t size; /* 0: there is none */
};

/* What is read, and the addresses that are the program's, [low, high): linkers give code that they dropped others. Of a
 * `producer`, units of others and their lines are left out. */
struct dwarf_input {
    struct dwarf_section sections[DWARF_SECTIONS];
    uint64_t low, high;
    const char *producer; /* NULL: any */
};

/* What units of ours say made them. */
#define DWARF_OUR_PRODUCER "tessera-aot"

#define DWARF_NONE UINT32_MAX

/* Text within the sections, terminated there. */
struct dwarf_file {
    const char *directory; /* "" when it is not known; of a relative one the unit's own comes first: `unit_directory` */
    const char *unit_directory;
    const char *name;
};

/* A function, or one that was inlined where its parent called it. Parents come before their children. */
struct dwarf_scope {
    const char *name;   /* NULL: not known */
    bool has_linkage;   /* its symbol has another name: C++ and the like */
    uint32_t parent;    /* DWARF_NONE: a function of its own */
    uint32_t call_file; /* of an inlined one; DWARF_NONE: not known */
    uint32_t call_line;
    uint32_t file, line; /* where it is declared */
    uint64_t origin;     /* equal for all places at which one function was inlined */
};

/* From `address` to the next place. */
struct dwarf_place {
    uint64_t address;
    uint32_t scope; /* DWARF_NONE: not known */
    uint32_t file;  /* DWARF_NONE: not known */
    uint32_t line;  /* 0: not known */
};

/* What the first section with an error says. */
struct dwarf_error {
    const char *message; /* NULL: none */
    enum dwarf_section_kind section;
    uint64_t offset; /* in the section */
};

struct dwarf {
    struct dwarf_file *files;
    uint32_t file_count;
    struct dwarf_scope *scopes;
    uint32_t scope_count;
    struct dwarf_place *places; /* ascending, no two at one address */
    uint32_t place_count;
};

/* Fills *dwarf, which dwarf_free takes whatever the result is. False: *error is the first of what was wrong. */
bool dwarf_read(const struct dwarf_input *input, struct dwarf *dwarf, struct dwarf_error *error);
void dwarf_free(struct dwarf *dwarf);

/* The place that holds an address, or NULL. */
const struct dwarf_place *dwarf_find(const struct dwarf *dwarf, uint64_t address);

#endif
