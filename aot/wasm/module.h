/* A WebAssembly module as the translator sees it: what module_read takes out of the binary and
 * module_validate proves about it.
 *
 * Use: module_read, then module_validate (or module_load for both), then any number of readers of
 * the const module from any number of threads, then module_free. `struct module` points into the
 * bytes it was read from: the caller keeps them, unchanged, until module_free. All offsets are
 * offsets into those bytes.
 *
 * The bytes are hostile. Time and memory are linear in their size; nothing recurses on their
 * content. A function that fails says so once, in a struct module_error, and has no result; the
 * module may (and must) still be given to module_free.
 *
 * Sources: WebAssembly core specification 2.0 and 3.0 (binary format, validation), the threads and
 * legacy exception handling proposals, and the JavaScript interface's implementation limits.
 */
#ifndef TESSERA_AOT_WASM_MODULE_H
#define TESSERA_AOT_WASM_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Features. A set of these says which language is read; what is off is refused by name. ---- */

enum feature {
    FEATURE_BASE = 0, /* WebAssembly 2.0 without SIMD: always on */
    FEATURE_SIMD = 1 << 0,
    FEATURE_RELAXED_SIMD = 1 << 1,
    FEATURE_TAIL_CALL = 1 << 2,
    FEATURE_EXTENDED_CONST = 1 << 3, /* arithmetic, and any earlier immutable global, in constant expressions */
    FEATURE_MULTI_MEMORY = 1 << 4,
    FEATURE_MEMORY64 = 1 << 5,            /* 64-bit memories and tables */
    FEATURE_FUNCTION_REFERENCES = 1 << 6, /* (ref null? $t), call_ref, tables with initialisers, ... */
    FEATURE_EXCEPTIONS = 1 << 7,          /* tags, throw, throw_ref, try_table */
    FEATURE_LEGACY_EXCEPTIONS = 1 << 8,   /* try, catch, catch_all, rethrow, delegate, tags, throw */
    FEATURE_THREADS = 1 << 9,             /* shared memories, atomics */
    FEATURE_ANY_EXCEPTIONS = FEATURE_EXCEPTIONS | FEATURE_LEGACY_EXCEPTIONS, /* tags and throw: either will do */
};

#define FEATURES_WASM_2 (FEATURE_SIMD)
#define FEATURES_WASM_3                                                                                                \
    (FEATURE_SIMD | FEATURE_RELAXED_SIMD | FEATURE_TAIL_CALL | FEATURE_EXTENDED_CONST | FEATURE_MULTI_MEMORY |         \
     FEATURE_MEMORY64 | FEATURE_FUNCTION_REFERENCES | FEATURE_EXCEPTIONS)
#define FEATURES_ALL (FEATURES_WASM_3 | FEATURE_LEGACY_EXCEPTIONS | FEATURE_THREADS)

/* ---- Errors ---- */

enum module_result {
    MODULE_OK,
    MODULE_MALFORMED,   /* not a module of the binary format */
    MODULE_INVALID,     /* well formed, but not valid */
    MODULE_UNSUPPORTED, /* a feature that is off (or gc), or an implementation limit */
    MODULE_NO_MEMORY,   /* the host is out of memory */
};

#define MODULE_NO_FUNCTION UINT32_MAX

/* The first error. The message begins with the official suite's phrase for this kind of error
 * where it has one ("type mismatch", "unknown local", ...), then gives details. */
struct module_error {
    enum module_result result;
    uint64_t offset;   /* of the byte that is wrong, or of the first byte of what is wrong */
    uint32_t function; /* index of the function it is in, or MODULE_NO_FUNCTION */
    char message[232];
};

/* ---- Names: bytes of the module, valid UTF-8, not terminated, may contain NUL ---- */

struct name {
    const char *bytes;
    uint32_t length;
};

/* ---- Types ---- */

enum value_kind {
    VALUE_I32,
    VALUE_I64,
    VALUE_F32,
    VALUE_F64,
    VALUE_V128,
    VALUE_REFERENCE, /* see `heap` and `nullable` */
    VALUE_BOTTOM,    /* the validator's unknown type in unreachable code; never in a module */
};

/* What a reference refers to: an index into module.types when below HEAP_ABSTRACT, else one of these. */
#define HEAP_ABSTRACT 0x80000000u
#define HEAP_FUNC     0x80000000u /* funcref is (ref null func) */
#define HEAP_EXTERN   0x80000001u /* externref */
#define HEAP_EXN      0x80000002u /* exnref */
#define HEAP_NOFUNC   0x80000003u /* bottom of the func hierarchy: only null */
#define HEAP_NOEXTERN 0x80000004u
#define HEAP_NOEXN    0x80000005u
/* The gc proposal's. Its operators and its struct, array and sub types are refused, so values of these types are null
 * always. */
#define HEAP_ANY    0x80000006u
#define HEAP_EQ     0x80000007u
#define HEAP_I31    0x80000008u
#define HEAP_STRUCT 0x80000009u
#define HEAP_ARRAY  0x8000000au
#define HEAP_NONE   0x8000000bu

struct value_type {
    uint8_t kind;  /* enum value_kind */
    bool nullable; /* references only, else false */
    uint32_t heap; /* references only, else 0 */
};

struct function_type {
    const struct value_type *parameters;
    const struct value_type *results;
    uint32_t parameter_count;
    uint32_t result_count;
    uint32_t canonical; /* the lowest index of an equal type: types are equal iff their canonical indices are */
    uint32_t group;     /* first type of the recursion group it is in, which has `group_size` types */
    uint32_t group_size;
    uint64_t offset;
};

struct limits {
    uint64_t minimum; /* pages of 64 KiB, or table entries */
    uint64_t maximum; /* meaningful when has_maximum */
    bool has_maximum;
    bool is_shared; /* memories only */
    bool is_64;     /* addresses are i64 */
};

/* ---- Parts ---- */

/* A constant expression, its `end` included: read it with operator_reader_open_expression. */
struct expression {
    uint64_t offset;
    uint32_t size; /* 0: there is none */
};

enum external_kind { EXTERNAL_FUNCTION, EXTERNAL_TABLE, EXTERNAL_MEMORY, EXTERNAL_GLOBAL, EXTERNAL_TAG };

/* In every index space the imports come first, in the order of module.imports. */
struct module_import {
    struct name module;
    struct name name;
    enum external_kind kind;
    uint32_t index; /* in the index space of its kind */
    uint64_t offset;
};

struct module_export {
    struct name name;
    enum external_kind kind;
    uint32_t index; /* in the index space of its kind */
    uint64_t offset;
};

/* `count` locals of one type, `first` their first index: parameters come before all locals. */
struct local_run {
    uint32_t first;
    uint32_t count;
    struct value_type type;
};

struct function_body {
    uint64_t offset;      /* of the body: the byte after its size; where its local declarations begin */
    uint32_t size;        /* in bytes; 0 for an imported function */
    uint64_t code_offset; /* of the first operator */
    const struct local_run *locals;
    uint32_t local_run_count;
    uint32_t local_count;   /* parameters included; at most 50,000 */
    uint32_t maximum_stack; /* set by module_validate: values on the operand stack, at most */
    uint32_t maximum_depth; /* set by module_validate: open blocks, the function's own included, at most */
};

struct function {
    uint32_t type;    /* index into module.types */
    struct name name; /* from the name section; length 0 when there is none */
    bool is_declared; /* occurs outside function bodies (export, element segment, global): ref.func may name it */
    struct function_body body;
    uint64_t offset;
};

struct table {
    struct value_type type; /* a reference */
    struct limits limits;
    struct expression initial; /* of every entry; size 0: null */
    uint64_t offset;
};

struct memory {
    struct limits limits;
    uint64_t offset;
};

struct global {
    struct value_type type;
    bool is_mutable;
    struct expression initial; /* size 0 for imported globals */
    uint64_t offset;
};

struct tag {
    uint32_t type; /* index into module.types; it has no results */
    uint64_t offset;
};

enum segment_mode { SEGMENT_PASSIVE, SEGMENT_ACTIVE, SEGMENT_DECLARATIVE };

/* `count` entries: function indices in `functions` or, when that is null, constant expressions. */
struct element_segment {
    enum segment_mode mode;
    uint32_t table;          /* active only */
    struct expression place; /* active only */
    struct value_type type;
    uint32_t count;
    const uint32_t *functions;
    const struct expression *expressions;
    uint64_t offset;
};

struct data_segment {
    enum segment_mode mode;  /* passive or active */
    uint32_t memory;         /* active only */
    struct expression place; /* active only */
    const uint8_t *bytes;
    uint32_t size;
    uint64_t offset;
};

struct custom_section {
    struct name name;
    const uint8_t *bytes; /* after the name */
    uint32_t size;
    uint64_t offset; /* of `bytes` */
};

/* Each `x_count` counts `xs`, imports included. `imported_x_count` of them, the first, are imports. */
struct module {
    const uint8_t *bytes;
    uint64_t size;
    unsigned features;

    struct function_type *types;
    struct module_import *imports;
    struct function *functions;
    struct table *tables;
    struct memory *memories;
    struct global *globals;
    struct tag *tags;
    struct module_export *exports;
    struct element_segment *elements;
    struct data_segment *data;
    struct custom_section *customs; /* all of them, the name and .debug_ sections too, in order */

    uint32_t type_count;
    uint32_t import_count;
    uint32_t function_count, imported_function_count;
    uint32_t table_count, imported_table_count;
    uint32_t memory_count, imported_memory_count;
    uint32_t global_count, imported_global_count;
    uint32_t tag_count, imported_tag_count;
    uint32_t export_count;
    uint32_t element_count;
    uint32_t data_count;
    uint32_t custom_count;

    bool has_start;
    uint32_t start; /* function index */
    uint64_t start_offset;

    bool has_data_count;
    struct name name;             /* of the module, from the name section */
    uint64_t code_section_offset; /* of the code section's contents: DWARF's addresses are relative to it; 0: none */

    struct arena *arena; /* owns all the arrays above */
};

/* Read the binary format: every section but the operators of the function bodies. Fills *module,
 * whatever the result is; false with *error otherwise. */
bool module_read(const uint8_t *bytes, size_t size, unsigned features, struct module *module,
                 struct module_error *error);

/* Validate a module that module_read returned, function bodies included. */
bool module_validate(struct module *module, struct module_error *error);

/* Both. */
bool module_load(const uint8_t *bytes, size_t size, unsigned features, struct module *module,
                 struct module_error *error);

void module_free(struct module *module);

/* A name for a message into `text`, cut to fit and terminated. What a terminal would obey, or hide, is shown as `?`:
 * control characters, line separators, and marks that turn the direction of writing. */
void name_show(struct name name, char *text, size_t size);

/* "file.wasm: function 12 "name": 0x1a4: message" into `text`, cut to fit and terminated. `module`
 * may be null (no names then). */
void module_error_format(const struct module_error *error, const struct module *module, const char *file, char *text,
                         size_t text_size);

/* ---- Questions ---- */

const struct function_type *module_function_type(const struct module *module, uint32_t function);
/* Whether the export is a function of the module's own without parameters and results. */
bool module_export_is_procedure(const struct module *module, const struct module_export *export);

/* The types of all locals, parameters first, into `types`, which has room for body.local_count. */
void module_function_locals(const struct module *module, uint32_t function, struct value_type *types);

/* The first custom section of this name (".debug_line"), or null. */
const struct custom_section *module_custom_find(const struct module *module, const char *name);

bool value_type_equal(const struct module *module, struct value_type a, struct value_type b);

/* One numbering for the types of several modules: numbers[m][t], with room for modules[m]->type_count of them, are
 * equal iff the types are. Within one module this is the canonical index. False: out of memory, or 2^30 types. */
bool module_types_number(const struct module *const *modules, size_t count, uint32_t *const *numbers);

/* Whether a value of type `sub` may stand where `super` is wanted. */
bool value_type_matches(const struct module *module, struct value_type sub, struct value_type super);

/* Whether locals and table entries of this type have a default value (zero or null). */
bool value_type_has_default(struct value_type type);

/* "i32", "funcref", "(ref null 5)", ...: for messages. */
struct type_text {
    char text[32];
};
struct type_text value_type_text(struct value_type type);

#endif
