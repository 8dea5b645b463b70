/* What the files of the validator of bodies share: its stacks, and the check of each operator. */
#ifndef TESSERA_AOT_WASM_VALIDATOR_H
#define TESSERA_AOT_WASM_VALIDATOR_H

#include "internal.h"

struct frame {
    uint16_t code; /* of the operator that opened it (else, catch: theirs); OP_BLOCK for a body */
    bool is_unreachable;
    uint32_t height;      /* of the operand stack below the block's own operands */
    uint32_t undo_height; /* of the stack of locals set */
    struct block_type type;
    uint64_t checked_table; /* offset of the last br_table that checked this frame's label */
};

struct validator {
    struct module *module;
    struct module_error *error;
    struct operator_reader reader;
    struct operation op;
    uint32_t function; /* MODULE_NO_FUNCTION: a constant expression */
    const struct function_type *type;
    const struct function_body *body;

    struct value_type *operands;
    size_t operand_capacity;
    uint32_t operand_count;
    uint32_t operand_maximum;

    struct frame *frames;
    size_t frame_capacity;
    uint32_t frame_count;
    uint32_t frame_maximum;

    uint32_t *undo; /* locals set, to be unset at the ends of blocks */
    size_t undo_capacity;
    uint32_t undo_count;
    uint32_t *local_stamps; /* LIMIT_LOCALS: stamp of the function that set the local */
    uint32_t stamp;

    uint32_t global_limit; /* constant expressions: globals in sight */
};

static const struct value_type type_i32 = {.kind = VALUE_I32};
static const struct value_type type_i64 = {.kind = VALUE_I64};
static const struct value_type type_bottom = {.kind = VALUE_BOTTOM};
static const struct value_type type_exn = {.kind = VALUE_REFERENCE, .heap = HEAP_EXN};
static const struct value_type type_exnref = {.kind = VALUE_REFERENCE, .nullable = true, .heap = HEAP_EXN};
static const struct value_type type_funcref = {.kind = VALUE_REFERENCE, .nullable = true, .heap = HEAP_FUNC};

#define FAIL(v, ...) error_set((v)->error, MODULE_INVALID, (v)->op.offset, (v)->function, __VA_ARGS__)

/* ---- validate_stack.c: operands and blocks. All return false with the error set. ---- */

const char *operator_text(const struct validator *v);
bool validator_grow(struct validator *v, void **array, size_t *capacity, size_t size);
bool operand_push(struct validator *v, struct value_type type);
bool operands_push(struct validator *v, const struct value_type *types, uint32_t count);
struct frame *frame_top(struct validator *v);
bool operand_pop_any(struct validator *v, struct value_type wanted, struct value_type *found);
bool operand_pop(struct validator *v, struct value_type wanted);
bool operands_pop(struct validator *v, const struct value_type *types, uint32_t count);
bool operand_pop_reference(struct validator *v, struct value_type *found);
bool operands_peek(struct validator *v, const struct value_type *types, uint32_t count);
bool frame_push(struct validator *v, uint16_t code, struct block_type type);
bool frame_push_block(struct validator *v, uint16_t code, struct block_type type);
bool frame_close_part(struct validator *v);
bool frame_close(struct validator *v);
void frame_reopen(struct validator *v, uint16_t code);
bool frame_set_unreachable(struct validator *v);

/* ---- validate_control.c: one function for each operator or family; the operator is `v->op` ---- */

bool check_br(struct validator *v);
bool check_br_if(struct validator *v);
bool check_br_table(struct validator *v);
bool check_br_on_null(struct validator *v);
bool check_br_on_non_null(struct validator *v);
bool check_block(struct validator *v);
bool check_else(struct validator *v);
bool check_end(struct validator *v);
bool check_try_table(struct validator *v);
bool check_throw(struct validator *v);
bool check_catch(struct validator *v);
bool check_rethrow(struct validator *v);
bool check_delegate(struct validator *v);
bool check_call(struct validator *v);
bool check_call_indirect(struct validator *v);
bool check_call_ref(struct validator *v);
/* Also of use to operators on tables and memories. */
bool find_table(struct validator *v, uint32_t index, const struct table **table);
struct value_type address_type(const struct limits *limits);

/* ---- validate_value.c: the same for operators that only deal with values ---- */

bool check_select(struct validator *v);
bool check_select_typed(struct validator *v);
bool check_local_get(struct validator *v);
bool check_local_set(struct validator *v);
bool check_global(struct validator *v);
bool check_ref_func(struct validator *v);
bool check_ref_is_null(struct validator *v);
bool check_ref_as_non_null(struct validator *v);
bool check_table_access(struct validator *v);
bool check_table_copy(struct validator *v);
bool check_table_init(struct validator *v);
bool check_elem_drop(struct validator *v);
bool check_memory_copy(struct validator *v);
bool check_signature(struct validator *v);

#endif
