/* The operators of function bodies and constant expressions: one table, and one reader that the
 * validator and the lowering share.
 *
 * The reader decodes one operator with all its immediates at a time. It checks what the binary
 * format asks (LEB128 lengths, unused bits, ends) and nothing of what validation asks, so the
 * lowering re-walks a validated body with it and cannot meet an error but MODULE_NO_MEMORY.
 *
 * For the lowering: it keeps its own stack of values, whose height never exceeds
 * body.maximum_stack, and its own stack of blocks, never deeper than body.maximum_depth. It also
 * tracks reachability itself, by the specification's rule: after an operator for which
 * operator_ends_block_early is true (br, return, unreachable, throw, ...), everything up to the
 * end, else, catch, catch_all or delegate of the innermost open block is unreachable and has no
 * types to speak of. operator_skip_unreachable steps over it. Reachability comes back at `else`,
 * `catch` and `catch_all` always when the block itself was reached, and after `end` and
 * `delegate` when the block was reached (a merge that nothing branches to is just dead code).
 * Everywhere else the operands on the stack have exactly the types that the table's signature or
 * the operator's immediates say (references: a subtype).
 *
 *     struct operator_reader reader;
 *     struct operation op;
 *     operator_reader_open_body(&reader, module, function);
 *     while (!operator_reader_at_end(&reader)) {
 *         if (!operator_read(&reader, &op, &error)) ...
 *         switch (op.code) ...
 *     }
 *     operator_reader_close(&reader);
 *
 * The last operator of a body and of an expression is the `end` that closes it. One reader belongs
 * to one thread; any number may read one module.
 */
#ifndef TESSERA_AOT_WASM_OPERATOR_H
#define TESSERA_AOT_WASM_OPERATOR_H

#include "module.h"

/* The kinds of immediates, with the fields of struct operation that they fill. */
enum immediates {
    IMMEDIATES_NONE,
    IMMEDIATES_BLOCK,         /* block */
    IMMEDIATES_TRY_TABLE,     /* block, catches, catch_count */
    IMMEDIATES_LABEL,         /* index: nesting depth, 0 = innermost (br, br_if, rethrow, delegate, ...) */
    IMMEDIATES_LABELS,        /* labels, label_count, and index: the default (br_table) */
    IMMEDIATES_FUNCTION,      /* index */
    IMMEDIATES_TYPE,          /* index (call_ref, return_call_ref) */
    IMMEDIATES_TYPE_TABLE,    /* index: type, index2: table (call_indirect, return_call_indirect) */
    IMMEDIATES_TAG,           /* index (throw, catch) */
    IMMEDIATES_LOCAL,         /* index */
    IMMEDIATES_GLOBAL,        /* index */
    IMMEDIATES_TABLE,         /* index */
    IMMEDIATES_TABLE_TABLE,   /* index: destination, index2: source */
    IMMEDIATES_ELEMENT,       /* index */
    IMMEDIATES_ELEMENT_TABLE, /* index: element segment, index2: table */
    IMMEDIATES_MEMORY,        /* memory.memory */
    IMMEDIATES_MEMORY_MEMORY, /* memory.memory: destination, index2: source */
    IMMEDIATES_DATA,          /* index */
    IMMEDIATES_DATA_MEMORY,   /* index: data segment, memory.memory */
    IMMEDIATES_MEMARG,        /* memory */
    IMMEDIATES_MEMARG_LANE,   /* memory, lane */
    IMMEDIATES_LANE,          /* lane */
    IMMEDIATES_SHUFFLE,       /* vector: 16 lane numbers below 32 */
    IMMEDIATES_I32,           /* constant: zero-extended bit pattern */
    IMMEDIATES_I64,           /* constant */
    IMMEDIATES_F32,           /* constant: zero-extended bit pattern */
    IMMEDIATES_F64,           /* constant */
    IMMEDIATES_V128,          /* vector: little-endian */
    IMMEDIATES_TYPES,         /* type, label_count: how many there were; valid code has one (select t) */
    IMMEDIATES_HEAP,          /* type: the nullable reference type (ref.null) */
    IMMEDIATES_FENCE,         /* none */
};

/* What an operator deals with: the lowering has one file per group. */
enum operator_group {
    GROUP_CONTROL,
    GROUP_CALL,
    GROUP_EXCEPTION,
    GROUP_PARAMETRIC,
    GROUP_VARIABLE,
    GROUP_REFERENCE,
    GROUP_TABLE,
    GROUP_MEMORY, /* scalar loads and stores, size, grow, bulk */
    GROUP_CONSTANT,
    GROUP_COMPARE,
    GROUP_INTEGER,
    GROUP_FLOAT,
    GROUP_CONVERT,
    GROUP_VECTOR_MEMORY,
    GROUP_VECTOR,
    GROUP_ATOMIC,
};

enum opcode {
#define OPCODE(id, prefix, number, text, immediates, signature, width, group, feature) OP_##id,
#include "opcodes.def"
#undef OPCODE
    OPCODE_COUNT,
};

struct opcode_info {
    uint8_t prefix; /* 0: none; 0xfc, 0xfd, 0xfe */
    uint16_t number;
    const char *text;
    uint8_t immediates; /* enum immediates */
    uint8_t width;      /* log2 of the bytes accessed (memory) or of a lane (lane operators); else 0 */
    uint8_t group;      /* enum operator_group */
    uint16_t feature;   /* enum feature, any of which will do; FEATURE_BASE when always on */
    /* "operands:results", the last operand on top of the stack; a letter is a type: i = i32, I = i64, f = f32, F = f64,
     * v = v128, a = the address type of the memory named by the immediate. "*": depends on the immediates. */
    const char *signature;
};

extern const struct opcode_info opcode_table[OPCODE_COUNT];

/* A block type: an index into the module's types or at most one result. */
struct block_type {
    bool has_index;
    uint32_t index;
    bool has_result;
    struct value_type result; /* when has_result */
};

uint32_t block_type_parameter_count(const struct module *module, const struct block_type *block);
uint32_t block_type_result_count(const struct module *module, const struct block_type *block);
/* The lists live as long as both the module and *block do. */
const struct value_type *block_type_parameters(const struct module *module, const struct block_type *block);
const struct value_type *block_type_results(const struct module *module, const struct block_type *block);

enum catch_kind { CATCH_TAG, CATCH_TAG_REF, CATCH_ALL, CATCH_ALL_REF };

struct catch_clause {
    enum catch_kind kind;
    uint32_t tag;   /* CATCH_TAG, CATCH_TAG_REF */
    uint32_t label; /* counted from outside the try_table: 0 is the block around it */
};

struct memory_argument {
    uint32_t align_bits; /* log2 of the alignment hint */
    uint32_t memory;
    uint64_t offset;
};

/* One operator. Fields not named by its kind of immediates are zero. */
struct operation {
    uint16_t code;   /* enum opcode */
    uint64_t offset; /* of its first byte in the module */
    uint32_t index;
    uint32_t index2;
    uint8_t lane;
    uint64_t constant;
    struct memory_argument memory;
    struct block_type block;
    struct value_type type;
    uint32_t label_count;
    uint32_t catch_count;
    const uint32_t *labels;             /* the reader's: until its next operator_read */
    const struct catch_clause *catches; /* the reader's: until its next operator_read */
    uint8_t vector[16];
};

/* Fields are the reader's own. */
struct operator_reader {
    const struct module *module;
    uint64_t position;
    uint64_t end;
    uint32_t function;
    uint32_t *labels;
    size_t label_capacity;
    struct catch_clause *catches;
    size_t catch_capacity;
};

void operator_reader_open_body(struct operator_reader *reader, const struct module *module, uint32_t function);
void operator_reader_open_expression(struct operator_reader *reader, const struct module *module,
                                     struct expression expression);
bool operator_reader_at_end(const struct operator_reader *reader);
bool operator_read(struct operator_reader *reader, struct operation *op, struct module_error *error);
void operator_reader_close(struct operator_reader *reader);

/* block, loop, if, try, try_table: each has its own `end` (or, for try, `delegate`). */
bool operator_opens_block(uint16_t code);

/* What follows is unreachable up to the next end, else, catch, catch_all or delegate at its level. */
bool operator_ends_block_early(uint16_t code);

/* Read on, over nested blocks, to the end, else, catch, catch_all or delegate of the innermost
 * block that is open now, and return it in *op. */
bool operator_skip_unreachable(struct operator_reader *reader, struct operation *op, struct module_error *error);

#endif
