/* What the files of this folder share and nobody else sees: the arena, errors, the cursor over the
 * bytes, and the readers of types. */
#ifndef TESSERA_AOT_WASM_INTERNAL_H
#define TESSERA_AOT_WASM_INTERNAL_H

#include "operator.h"

/* Implementation limits, those of the WebAssembly JavaScript interface; the last two are ours: they bound
 * what a short hostile body can make the validator and the lowering hold. */
enum {
    LIMIT_MODULE_BYTES = 1073741824,
    LIMIT_TYPES = 1000000,
    LIMIT_FUNCTIONS = 1000000,
    LIMIT_IMPORTS = 1000000,
    LIMIT_EXPORTS = 1000000,
    LIMIT_GLOBALS = 1000000,
    LIMIT_TAGS = 1000000,
    LIMIT_TABLES = 100000,
    LIMIT_MEMORIES = 100,
    LIMIT_DATA_SEGMENTS = 100000,
    LIMIT_ELEMENT_SEGMENTS = 100000,
    LIMIT_SEGMENT_ENTRIES = 10000000,
    LIMIT_PARAMETERS = 1000,
    LIMIT_RESULTS = 1000,
    LIMIT_BODY_BYTES = 7654321,
    LIMIT_LOCALS = 50000,
    LIMIT_CUSTOM_SECTIONS = 1000000,
    LIMIT_OPERANDS = 4194304,
};

/* The heap type of a reference popped in unreachable code: below every other. Never in a module. */
#define HEAP_BOTTOM 0x8000ffffu

/* ---- arena.c: memory that lives as long as its module ---- */

struct arena *arena_create(void);
/* Zeroed and aligned for any object; null when the host has no more, or for `count` of 0. */
void *arena_allocate(struct arena *arena, size_t count, size_t size);
void arena_destroy(struct arena *arena);

/* ---- error.c: every function returns false, for `return error_...` ---- */

bool error_set(struct module_error *error, enum module_result result, uint64_t offset, uint32_t function,
               const char *format, ...) __attribute__((format(printf, 5, 6)));

/* A name as name_show has it, of a length fit for messages. */
struct name_text {
    char text[64];
};
struct name_text name_text(struct name name);

/* ---- cursor.c: a range of the module's bytes, read front to back ----
 *
 * Readers return false with *error set, and leave `position` anywhere then. They never read at or
 * beyond `end`. */

struct cursor {
    const struct module *module;
    uint64_t position;
    uint64_t end;
    uint32_t function; /* for errors; MODULE_NO_FUNCTION outside bodies */
    struct module_error *error;
};

bool cursor_malformed(const struct cursor *cursor, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool cursor_invalid(const struct cursor *cursor, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool cursor_unsupported(const struct cursor *cursor, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool cursor_no_memory(const struct cursor *cursor);

bool cursor_read_byte(struct cursor *cursor, uint8_t *value);
/* A byte that is a one-byte signed LEB128 in the specification's grammar: its top bit is clear. */
bool cursor_read_code(struct cursor *cursor, uint8_t *value);
bool cursor_read_u32(struct cursor *cursor, uint32_t *value);
bool cursor_read_u64(struct cursor *cursor, uint64_t *value);
bool cursor_read_s32(struct cursor *cursor, int32_t *value);
bool cursor_read_s33(struct cursor *cursor, int64_t *value);
bool cursor_read_s64(struct cursor *cursor, int64_t *value);
/* `size` bytes as they are, little-endian when taken as a number. */
bool cursor_read_fixed(struct cursor *cursor, unsigned size, uint64_t *value);
bool cursor_skip(struct cursor *cursor, uint64_t size);
/* A vector's length: at most `limit` (a message names `what`), and no more than elements of at least
 * `element_bytes` bytes fit the rest of the cursor. */
bool cursor_read_count(struct cursor *cursor, uint32_t limit, unsigned element_bytes, const char *what,
                       uint32_t *count);
bool cursor_read_name(struct cursor *cursor, struct name *name);

/* ---- types.c ---- */

bool cursor_read_value_type(struct cursor *cursor, struct value_type *type);
bool cursor_read_reference_type(struct cursor *cursor, struct value_type *type);
bool cursor_read_heap_type(struct cursor *cursor, uint32_t *heap);
/* The value type that the negative one-byte code stands for. */
bool cursor_value_type_from_code(struct cursor *cursor, uint64_t offset, uint8_t code, struct value_type *type);
bool cursor_read_type_section(struct cursor *cursor, struct module *module);

/* ---- operator.c ---- */

const char *feature_text(unsigned feature);
/* The expression at the cursor, up to and with its `end`; the cursor moves behind it. */
bool cursor_read_expression(struct cursor *cursor, struct expression *expression);

/* ---- names.c ---- */

void module_read_names(struct module *module, const struct custom_section *section);

/* ---- validate_body.c: one set of stacks, used for one body or expression after the other ---- */

struct validator;

struct validator *validator_create(struct module *module, struct module_error *error);
void validator_destroy(struct validator *validator);
bool validator_check_body(struct validator *validator, uint32_t function);
/* Constant, of `type`, with only the first `global_limit` globals in sight. Functions it refers to become declared. */
bool validator_check_expression(struct validator *validator, struct expression expression, struct value_type type,
                                uint32_t global_limit);

#endif
