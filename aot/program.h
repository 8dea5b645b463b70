/* A program: one module, or several linked statically, on the way to one image.
 *
 * Each module that takes part is an *instance* with a name of its own; a module that takes part twice
 * is two instances. An import is satisfied by an export of the instance that the importing instance
 * binds to the import's module name, else by a native function of the table imports.def.
 *
 * program_add and program_bind build the set (program.c; program_set.c from a description), program_load reads and
 * validates (program.c), program_link resolves (resolve.c, import_match.c). After that everything is constant. Names of
 * instances are [A-Za-z0-9_]+. */
#ifndef TESSERA_AOT_PROGRAM_H
#define TESSERA_AOT_PROGRAM_H

#include "dwarf/dwarf.h"
#include "survey.h"
#include "wasm/module.h"

struct instance;

/* What satisfies an import: entity `index` of `provider`, or (functions only) a native symbol. */
struct resolution {
    const struct instance *provider; /* NULL: native */
    uint32_t index;
    char *symbol;
    bool is_missing; /* nobody has it: a call of `symbol` traps */
};

struct binding {
    char *module;
    struct instance *provider;
    char *provider_name; /* of a set: until the whole description is read */
};

struct instance {
    char *name;
    char *file;
    char *import_name; /* --link: what modules call it; else NULL */
    uint8_t *bytes;
    size_t size;
    struct module module;
    struct dwarf dwarf; /* where the module's code came from; empty when it does not say, or nobody asks */
    bool is_loaded;
    struct survey survey;
    struct resolution *imports; /* one for each of module.imports */
    struct binding *bindings;   /* import module name -> instance */
    uint32_t binding_count;
    uint32_t *type_numbers; /* of each type: equal types of the whole program have equal numbers */
    uint64_t *memory_bases; /* of the memories that this instance defines, by index */
    bool may_fail;          /* a link error drops the instance (spec suite: assert_unlinkable) */
    bool is_dropped;
    uint32_t position; /* among program.instances */
};

/* DEBUG_NONE: functions have names only. DEBUG_LINES: the image tells which functions were inlined, and what files and
 * lines the modules' DWARF names. DEBUG_FULL: the same as DWARF too, for gdb. */
enum debug { DEBUG_NONE, DEBUG_LINES, DEBUG_FULL };

struct program {
    struct instance **instances; /* the first is the main one: its exports are the program's */
    uint32_t instance_count;
    const struct instance *first_memory_instance; /* the one whose memory lies at the lowest base; NULL: none */
    uint32_t first_memory;
    uint32_t memory_count;
    enum debug debug;
    bool may_grow_tables;      /* some module has a table.grow */
    bool may_change_tables;    /* some module writes to a table */
    bool has_threads;          /* some module may start threads: each has globals, and such tables, of its own */
    bool has_exceptions;       /* some module throws or catches: calls may unwind */
    bool has_tail_calls;       /* some module has a return_call: all functions use a convention that allows it */
    bool has_export_tables;    /* native code looks instances and exports up at run time, in the order it likes */
    bool is_optimised;         /* functions may be inlined into others */
    bool has_wasm_opt;         /* every module goes through Binaryen's optimiser first */
    bool may_lack_imports;     /* calls of functions that nobody has trap */
    bool initialises_main;     /* the main module's "_initialize" is called before anything else of it (entry.h) */
    bool is_without_page_zero; /* the first memory gets a region like the others */
};

struct instance *program_add(struct program *program, const char *name, const char *file);
struct instance *program_find(const struct program *program, const char *name);
/* Instances have names of their own, and "wasm" begins the main instance's symbols. */
bool program_accepts_name(const struct program *program, const char *name);
void program_bind(struct instance *instance, const char *module, struct instance *provider);

/* --link: adds a module that provides the imports from module `name`, a name that is given once; once all are there,
 * program_bind_linked binds every instance to all of them. Prints errors. */
bool program_add_linked(struct program *program, const char *name, const char *file);
void program_bind_linked(struct program *program);

/* Reads a description of a set: lines `instance NAME FILE`, `unlinkable NAME FILE`, and after either
 * `import MODULE INSTANCE`. Files are relative to the description's folder. Errors are printed. */
bool program_read_set(struct program *program, const char *file);

/* Reads and validates every module, and prints the first error. */
bool program_load(struct program *program, unsigned features);

/* Resolves every import, gives types their numbers and memories their places. Prints the first error;
 * an instance that may fail is dropped instead, with a line `unlinkable NAME: message` on standard output. */
bool program_link(struct program *program);

void program_free(struct program *program);

/* Follows imports and re-exports to the instance that defines an entity. False: it is the native
 * function `*symbol`. */
bool program_definition(const struct instance *instance, enum external_kind kind, uint32_t index,
                        const struct instance **definer, uint32_t *defined_index, const char **symbol);

/* Whether the memory is the instance's own: also a shared one that it imports and nobody provides. */
bool program_defines_memory(const struct instance *instance, uint32_t memory);

/* The native function that starts a thread. */
#define THREAD_SPAWN_SYMBOL "__imported_wasi_thread$2dspawn"

/* The most pages that a memory can ever have. */
uint64_t memory_maximum_pages(const struct limits *limits);

/* `text` with every byte outside [A-Za-z0-9_] as $hh. The caller frees it. */
char *symbol_mangle(const char *text, size_t length);

#endif
