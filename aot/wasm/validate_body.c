/* Validation of function bodies and constant expressions: one pass over the operators with a stack
 * of operand types and a stack of open blocks, both on the heap.
 *
 * After an operator that never continues, the rest of its block is unreachable: popping from the
 * block's empty stack then yields VALUE_BOTTOM, which matches every type.
 *
 * Locals whose type has no default (non-null references) must be set before they are read. Each
 * set is undone at the end of the block it is in; `local_stamps` says for which function a local
 * was last set, so nothing has to be cleared between functions.
 *
 * Source: core specification 3.0, appendix "Validation Algorithm"; legacy exception handling proposal.
 */
#include <stdlib.h>
#include <string.h>

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

struct validator *validator_create(struct module *module, struct module_error *error)
{
    struct validator *validator = calloc(1, sizeof *validator);
    if (!validator)
        return NULL;
    validator->module = module;
    validator->error = error;
    validator->local_stamps = calloc(LIMIT_LOCALS, sizeof *validator->local_stamps);
    if (validator->local_stamps)
        return validator;
    free(validator);
    return NULL;
}

void validator_destroy(struct validator *validator)
{
    free(validator->operands);
    free(validator->frames);
    free(validator->undo);
    free(validator->local_stamps);
    free(validator);
}

/* ---- Errors ---- */

#define FAIL(v, ...) error_set((v)->error, MODULE_INVALID, (v)->op.offset, (v)->function, __VA_ARGS__)

static const char *operator_text(const struct validator *v)
{
    return opcode_table[v->op.code].text;
}

static bool fail_memory(struct validator *v)
{
    return error_set(v->error, MODULE_NO_MEMORY, v->op.offset, v->function, "out of memory");
}

static bool fail_missing(struct validator *v, struct value_type wanted)
{
    return FAIL(v, "type mismatch: %s requires %s but the stack is empty", operator_text(v),
                value_type_text(wanted).text);
}

static bool fail_type(struct validator *v, struct value_type wanted, struct value_type found)
{
    return FAIL(v, "type mismatch: %s requires %s but the stack has %s", operator_text(v), value_type_text(wanted).text,
                value_type_text(found).text);
}

/* ---- The stacks ---- */

/* Double an array that is full. */
static bool grow(struct validator *v, void **array, size_t *capacity, size_t size)
{
    size_t wanted = *capacity ? 2 * *capacity : 64;
    void *bigger = realloc(*array, wanted * size);
    if (!bigger)
        return fail_memory(v);
    *array = bigger;
    *capacity = wanted;
    return true;
}

static bool push(struct validator *v, struct value_type type)
{
    if (v->operand_count == v->operand_capacity) {
        void *array = v->operands;
        if (v->operand_count >= LIMIT_OPERANDS)
            return error_set(v->error, MODULE_UNSUPPORTED, v->op.offset, v->function,
                             "too many operands on the stack, the limit is %d", LIMIT_OPERANDS);
        if (!grow(v, &array, &v->operand_capacity, sizeof *v->operands))
            return false;
        v->operands = array;
    }
    v->operands[v->operand_count++] = type;
    if (v->operand_count > v->operand_maximum)
        v->operand_maximum = v->operand_count;
    return true;
}

static bool push_list(struct validator *v, const struct value_type *types, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!push(v, types[i]))
            return false;
    }
    return true;
}

static struct frame *top_frame(struct validator *v)
{
    return &v->frames[v->frame_count - 1];
}

/* Pop an operand of any type; `wanted` only serves the message. */
static bool pop_any(struct validator *v, struct value_type wanted, struct value_type *found)
{
    const struct frame *frame = top_frame(v);
    if (v->operand_count > frame->height) {
        *found = v->operands[--v->operand_count];
        return true;
    }
    *found = type_bottom;
    return frame->is_unreachable || fail_missing(v, wanted);
}

static bool pop(struct validator *v, struct value_type wanted)
{
    struct value_type found;
    if (!pop_any(v, wanted, &found))
        return false;
    return value_type_matches(v->module, found, wanted) || fail_type(v, wanted, found);
}

/* Pop a list of types, whose last is on top. */
static bool pop_list(struct validator *v, const struct value_type *types, uint32_t count)
{
    const struct frame *frame = top_frame(v);
    for (uint32_t i = count; i > 0; i--) {
        /* Nothing there, and nothing has to be: dead calls with many parameters must not take long. */
        if (frame->is_unreachable && v->operand_count == frame->height)
            return true;
        if (!pop(v, types[i - 1]))
            return false;
    }
    return true;
}

static bool pop_reference(struct validator *v, struct value_type *found)
{
    if (!pop_any(v, type_funcref, found))
        return false;
    if (found->kind == VALUE_BOTTOM)
        *found = (struct value_type){.kind = VALUE_REFERENCE, .heap = HEAP_BOTTOM};
    if (found->kind != VALUE_REFERENCE)
        return FAIL(v, "type mismatch: %s requires a reference but the stack has %s", operator_text(v),
                    value_type_text(*found).text);
    return true;
}

/* Whether the top of the stack is this list, without popping it. */
static bool peek_list(struct validator *v, const struct value_type *types, uint32_t count)
{
    const struct frame *frame = top_frame(v);
    uint32_t available = v->operand_count - frame->height;
    for (uint32_t i = 0; i < count; i++) {
        struct value_type wanted = types[count - 1 - i];
        if (i >= available)
            return frame->is_unreachable || fail_missing(v, wanted);
        struct value_type found = v->operands[v->operand_count - 1 - i];
        if (!value_type_matches(v->module, found, wanted))
            return fail_type(v, wanted, found);
    }
    return true;
}

static bool push_frame(struct validator *v, uint16_t code, struct block_type type)
{
    if (v->frame_count == v->frame_capacity) {
        void *array = v->frames;
        if (!grow(v, &array, &v->frame_capacity, sizeof *v->frames))
            return false;
        v->frames = array;
    }
    v->frames[v->frame_count++] = (struct frame){.code = code,
                                                 .height = v->operand_count,
                                                 .undo_height = v->undo_count,
                                                 .type = type,
                                                 .checked_table = UINT64_MAX};
    if (v->frame_count > v->frame_maximum)
        v->frame_maximum = v->frame_count;
    return true;
}

static bool push_block(struct validator *v, uint16_t code, struct block_type type)
{
    return push_frame(v, code, type) &&
           push_list(v, block_type_parameters(v->module, &type), block_type_parameter_count(v->module, &type));
}

/* Close the innermost block's current part: its results, and nothing else, must be on the stack. They are popped. */
static bool close_part(struct validator *v)
{
    struct frame *frame = top_frame(v);
    if (!pop_list(v, block_type_results(v->module, &frame->type), block_type_result_count(v->module, &frame->type)))
        return false;
    if (v->operand_count != frame->height)
        return FAIL(v, "type mismatch: %u values remain on the stack at %s", v->operand_count - frame->height,
                    operator_text(v));
    while (v->undo_count > frame->undo_height)
        v->local_stamps[v->undo[--v->undo_count]] = 0;
    return true;
}

/* Close the innermost block for good and push its results outside. */
static bool close_block(struct validator *v)
{
    if (!close_part(v))
        return false;
    const struct frame frame = *top_frame(v);
    v->frame_count--;
    return push_list(v, block_type_results(v->module, &frame.type), block_type_result_count(v->module, &frame.type));
}

/* Go on with another part (else, catch) of the innermost block. */
static void reopen_part(struct validator *v, uint16_t code)
{
    struct frame *frame = top_frame(v);
    frame->code = code;
    frame->is_unreachable = false;
}

static bool set_unreachable(struct validator *v)
{
    struct frame *frame = top_frame(v);
    v->operand_count = frame->height;
    frame->is_unreachable = true;
    return true;
}

/* ---- Labels ---- */

static bool find_label(struct validator *v, uint32_t label, struct frame **frame)
{
    if (label >= v->frame_count)
        return FAIL(v, "unknown label %u", label);
    *frame = &v->frames[v->frame_count - 1 - label];
    return true;
}

/* The types a branch to the frame carries: a loop's parameters, any other block's results. */
static const struct value_type *label_types(const struct validator *v, const struct frame *frame, uint32_t *count)
{
    if (frame->code == OP_LOOP) {
        *count = block_type_parameter_count(v->module, &frame->type);
        return block_type_parameters(v->module, &frame->type);
    }
    *count = block_type_result_count(v->module, &frame->type);
    return block_type_results(v->module, &frame->type);
}

/* Pop what the label carries and push it back as the types the label has. */
static bool retype_as_label(struct validator *v, const struct value_type *types, uint32_t count)
{
    return pop_list(v, types, count) && push_list(v, types, count);
}

static bool check_br(struct validator *v)
{
    struct frame *frame;
    uint32_t count;
    if (!find_label(v, v->op.index, &frame))
        return false;
    const struct value_type *types = label_types(v, frame, &count);
    return pop_list(v, types, count) && set_unreachable(v);
}

static bool check_br_if(struct validator *v)
{
    struct frame *frame;
    uint32_t count;
    if (!pop(v, type_i32) || !find_label(v, v->op.index, &frame))
        return false;
    const struct value_type *types = label_types(v, frame, &count);
    return retype_as_label(v, types, count);
}

static bool check_br_table(struct validator *v)
{
    struct frame *frame;
    uint32_t arity, count;
    if (!pop(v, type_i32) || !find_label(v, v->op.index, &frame))
        return false;
    const struct value_type *default_types = label_types(v, frame, &arity);
    for (uint32_t i = 0; i < v->op.label_count; i++) {
        if (!find_label(v, v->op.labels[i], &frame))
            return false;
        /* Each label once: tables are long, and name few labels. */
        if (frame->checked_table == v->op.offset)
            continue;
        frame->checked_table = v->op.offset;
        const struct value_type *types = label_types(v, frame, &count);
        if (count != arity)
            return FAIL(v, "type mismatch: br_table's labels carry %u and %u values", arity, count);
        if (!peek_list(v, types, count))
            return false;
    }
    return pop_list(v, default_types, arity) && set_unreachable(v);
}

static bool check_br_on_null(struct validator *v)
{
    struct value_type reference;
    struct frame *frame;
    uint32_t count;
    if (!pop_reference(v, &reference) || !find_label(v, v->op.index, &frame))
        return false;
    const struct value_type *types = label_types(v, frame, &count);
    reference.nullable = false;
    return retype_as_label(v, types, count) && push(v, reference);
}

static bool check_br_on_non_null(struct validator *v)
{
    struct frame *frame;
    uint32_t count;
    if (!find_label(v, v->op.index, &frame))
        return false;
    const struct value_type *types = label_types(v, frame, &count);
    if (count == 0 || types[count - 1].kind != VALUE_REFERENCE)
        return FAIL(v, "type mismatch: br_on_non_null's label must carry a reference last");
    struct value_type wanted = types[count - 1];
    wanted.nullable = true;
    return pop(v, wanted) && retype_as_label(v, types, count - 1);
}

/* ---- Blocks ---- */

static bool check_block(struct validator *v)
{
    if (v->op.code == OP_IF && !pop(v, type_i32))
        return false;
    struct block_type type = v->op.block;
    return pop_list(v, block_type_parameters(v->module, &type), block_type_parameter_count(v->module, &type)) &&
           push_block(v, v->op.code, type);
}

static bool check_else(struct validator *v)
{
    struct frame *frame = top_frame(v);
    if (frame->code != OP_IF)
        return FAIL(v, "else without if");
    if (!close_part(v))
        return false;
    reopen_part(v, OP_ELSE);
    return push_list(v, block_type_parameters(v->module, &frame->type),
                     block_type_parameter_count(v->module, &frame->type));
}

static bool check_end(struct validator *v)
{
    struct frame *frame = top_frame(v);
    if (frame->code == OP_IF) { /* no else: as if it were empty */
        if (!check_else(v))
            return false;
    }
    return close_block(v);
}

/* A catch clause of try_table branches with the tag's parameters, and the exception when it is a `_ref`. */
static bool check_catch_clause(struct validator *v, const struct catch_clause *clause)
{
    struct frame *frame;
    uint32_t count, passed = 0;
    const struct value_type *passed_types = NULL;
    bool has_tag = clause->kind == CATCH_TAG || clause->kind == CATCH_TAG_REF;
    bool has_exception = clause->kind == CATCH_TAG_REF || clause->kind == CATCH_ALL_REF;
    if (has_tag && clause->tag >= v->module->tag_count)
        return FAIL(v, "unknown tag %u", clause->tag);
    if (!find_label(v, clause->label, &frame))
        return false;
    if (has_tag) {
        const struct function_type *type = &v->module->types[v->module->tags[clause->tag].type];
        passed = type->parameter_count;
        passed_types = type->parameters;
    }
    const struct value_type *types = label_types(v, frame, &count);
    if (count != passed + has_exception)
        return FAIL(v, "type mismatch: a catch clause passes %u values to a label that takes %u",
                    passed + has_exception, count);
    for (uint32_t i = 0; i < count; i++) {
        struct value_type type = i < passed ? passed_types[i] : type_exn;
        if (!value_type_matches(v->module, type, types[i]))
            return FAIL(v, "type mismatch: a catch clause passes %s to a label that takes %s",
                        value_type_text(type).text, value_type_text(types[i]).text);
    }
    return true;
}

static bool check_try_table(struct validator *v)
{
    for (uint32_t i = 0; i < v->op.catch_count; i++) {
        if (!check_catch_clause(v, &v->op.catches[i]))
            return false;
    }
    return check_block(v);
}

static bool check_tag_type(struct validator *v, const struct function_type **type)
{
    if (v->op.index >= v->module->tag_count)
        return FAIL(v, "unknown tag %u", v->op.index);
    *type = &v->module->types[v->module->tags[v->op.index].type];
    return true;
}

static bool check_throw(struct validator *v)
{
    const struct function_type *type;
    return check_tag_type(v, &type) && pop_list(v, type->parameters, type->parameter_count) && set_unreachable(v);
}

/* Legacy: catch and catch_all go on with a block that try opened; nothing follows a catch_all. */
static bool check_catch(struct validator *v)
{
    const struct function_type *type = NULL;
    struct frame *frame = top_frame(v);
    if (frame->code != OP_TRY && frame->code != OP_CATCH)
        return FAIL(v, "%s without try", operator_text(v));
    if ((v->op.code == OP_CATCH && !check_tag_type(v, &type)) || !close_part(v))
        return false;
    reopen_part(v, v->op.code);
    return !type || push_list(v, type->parameters, type->parameter_count);
}

static bool check_rethrow(struct validator *v)
{
    struct frame *frame;
    if (!find_label(v, v->op.index, &frame))
        return false;
    if (frame->code != OP_CATCH && frame->code != OP_CATCH_ALL)
        return FAIL(v, "invalid rethrow label %u", v->op.index);
    return set_unreachable(v);
}

static bool check_delegate(struct validator *v)
{
    if (top_frame(v)->code != OP_TRY)
        return FAIL(v, "delegate without try");
    /* The label counts from outside the try. */
    if (v->op.index >= v->frame_count - 1)
        return FAIL(v, "unknown label %u", v->op.index);
    return close_block(v);
}

/* ---- Calls ---- */

static bool check_call_type(struct validator *v, const struct function_type *type, bool is_tail)
{
    if (!pop_list(v, type->parameters, type->parameter_count))
        return false;
    if (!is_tail)
        return push_list(v, type->results, type->result_count);
    if (type->result_count != v->type->result_count)
        return FAIL(v, "type mismatch: tail call of a function with %u results in one with %u", type->result_count,
                    v->type->result_count);
    for (uint32_t i = 0; i < type->result_count; i++) {
        if (!value_type_matches(v->module, type->results[i], v->type->results[i]))
            return FAIL(v, "type mismatch: tail call's result is %s, the function's is %s",
                        value_type_text(type->results[i]).text, value_type_text(v->type->results[i]).text);
    }
    return set_unreachable(v);
}

static bool check_call(struct validator *v)
{
    if (v->op.index >= v->module->function_count)
        return FAIL(v, "unknown function %u", v->op.index);
    return check_call_type(v, module_function_type(v->module, v->op.index), v->op.code == OP_RETURN_CALL);
}

static bool find_type(struct validator *v, const struct function_type **type)
{
    if (v->op.index >= v->module->type_count)
        return FAIL(v, "unknown type %u", v->op.index);
    *type = &v->module->types[v->op.index];
    return true;
}

static bool find_table(struct validator *v, uint32_t index, const struct table **table)
{
    if (index >= v->module->table_count)
        return FAIL(v, "unknown table %u", index);
    *table = &v->module->tables[index];
    return true;
}

static struct value_type address_type(const struct limits *limits)
{
    return limits->is_64 ? type_i64 : type_i32;
}

static bool check_call_indirect(struct validator *v)
{
    const struct table *table;
    const struct function_type *type;
    if (!find_table(v, v->op.index2, &table) || !find_type(v, &type))
        return false;
    if (!value_type_matches(v->module, table->type, type_funcref))
        return FAIL(v, "type mismatch: %s through a table of %s", operator_text(v), value_type_text(table->type).text);
    return pop(v, address_type(&table->limits)) && check_call_type(v, type, v->op.code == OP_RETURN_CALL_INDIRECT);
}

static bool check_call_ref(struct validator *v)
{
    const struct function_type *type;
    if (!find_type(v, &type))
        return false;
    struct value_type callee = {.kind = VALUE_REFERENCE, .nullable = true, .heap = v->op.index};
    return pop(v, callee) && check_call_type(v, type, v->op.code == OP_RETURN_CALL_REF);
}

/* ---- Parametric, variables ---- */

static bool check_select(struct validator *v)
{
    struct value_type first, second;
    if (!pop(v, type_i32) || !pop_any(v, type_bottom, &second) || !pop_any(v, type_bottom, &first))
        return false;
    if (first.kind == VALUE_REFERENCE || second.kind == VALUE_REFERENCE)
        return FAIL(v, "type mismatch: select of references needs its type stated");
    if (first.kind != second.kind && first.kind != VALUE_BOTTOM && second.kind != VALUE_BOTTOM)
        return FAIL(v, "type mismatch: select between %s and %s", value_type_text(first).text,
                    value_type_text(second).text);
    return push(v, first.kind == VALUE_BOTTOM ? second : first);
}

static bool check_select_typed(struct validator *v)
{
    if (v->op.label_count != 1)
        return FAIL(v, "invalid result arity: select with %u types", v->op.label_count);
    return pop(v, type_i32) && pop(v, v->op.type) && pop(v, v->op.type) && push(v, v->op.type);
}

/* Type of a local. Runs are searched by halves: a body may declare many more locals than it has bytes. */
static bool find_local(struct validator *v, struct value_type *type)
{
    uint32_t index = v->op.index;
    if (index >= v->body->local_count)
        return FAIL(v, "unknown local %u", index);
    if (index < v->type->parameter_count) {
        *type = v->type->parameters[index];
        return true;
    }
    uint32_t low = 0, high = v->body->local_run_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (v->body->locals[middle].first <= index)
            low = middle;
        else
            high = middle;
    }
    *type = v->body->locals[low].type;
    return true;
}

static bool check_local_get(struct validator *v)
{
    struct value_type type;
    if (!find_local(v, &type))
        return false;
    if (!value_type_has_default(type) && v->op.index >= v->type->parameter_count &&
        v->local_stamps[v->op.index] != v->stamp)
        return FAIL(v, "uninitialized local %u of %s", v->op.index, value_type_text(type).text);
    return push(v, type);
}

static bool mark_local_set(struct validator *v, struct value_type type)
{
    uint32_t index = v->op.index;
    if (value_type_has_default(type) || v->local_stamps[index] == v->stamp)
        return true;
    if (v->undo_count == v->undo_capacity) {
        void *array = v->undo;
        if (!grow(v, &array, &v->undo_capacity, sizeof *v->undo))
            return false;
        v->undo = array;
    }
    v->undo[v->undo_count++] = index;
    v->local_stamps[index] = v->stamp;
    return true;
}

static bool check_local_set(struct validator *v)
{
    struct value_type type;
    if (!find_local(v, &type) || !pop(v, type) || !mark_local_set(v, type))
        return false;
    return v->op.code == OP_LOCAL_SET || push(v, type);
}

static bool check_global(struct validator *v)
{
    if (v->op.index >= v->module->global_count)
        return FAIL(v, "unknown global %u", v->op.index);
    const struct global *global = &v->module->globals[v->op.index];
    if (v->op.code == OP_GLOBAL_GET)
        return push(v, global->type);
    if (!global->is_mutable)
        return FAIL(v, "immutable global: global is immutable, global.set of %u", v->op.index);
    return pop(v, global->type);
}

/* ---- References and tables ---- */

static bool check_ref_func(struct validator *v)
{
    if (v->op.index >= v->module->function_count)
        return FAIL(v, "unknown function %u", v->op.index);
    struct function *function = &v->module->functions[v->op.index];
    if (v->function == MODULE_NO_FUNCTION)
        function->is_declared = true;
    if (!function->is_declared)
        return FAIL(v, "undeclared function reference: function %u", v->op.index);
    return push(v, (struct value_type){.kind = VALUE_REFERENCE, .heap = function->type});
}

static bool check_ref_is_null(struct validator *v)
{
    struct value_type reference;
    return pop_reference(v, &reference) && push(v, type_i32);
}

static bool check_ref_as_non_null(struct validator *v)
{
    struct value_type reference;
    if (!pop_reference(v, &reference))
        return false;
    reference.nullable = false;
    return push(v, reference);
}

static bool check_table_access(struct validator *v)
{
    const struct table *table;
    if (!find_table(v, v->op.index, &table))
        return false;
    struct value_type address = address_type(&table->limits);
    switch (v->op.code) {
    case OP_TABLE_GET:
        return pop(v, address) && push(v, table->type);
    case OP_TABLE_SET:
        return pop(v, table->type) && pop(v, address);
    case OP_TABLE_SIZE:
        return push(v, address);
    case OP_TABLE_GROW:
        return pop(v, address) && pop(v, table->type) && push(v, address);
    default: /* OP_TABLE_FILL */
        return pop(v, address) && pop(v, table->type) && pop(v, address);
    }
}

static bool check_table_copy(struct validator *v)
{
    const struct table *to, *from;
    if (!find_table(v, v->op.index, &to) || !find_table(v, v->op.index2, &from))
        return false;
    if (!value_type_matches(v->module, from->type, to->type))
        return FAIL(v, "type mismatch: table.copy of %s to a table of %s", value_type_text(from->type).text,
                    value_type_text(to->type).text);
    bool is_64 = to->limits.is_64 && from->limits.is_64;
    return pop(v, is_64 ? type_i64 : type_i32) && pop(v, address_type(&from->limits)) &&
           pop(v, address_type(&to->limits));
}

static bool find_element(struct validator *v, const struct element_segment **segment)
{
    if (v->op.index >= v->module->element_count)
        return FAIL(v, "unknown elem segment %u", v->op.index);
    *segment = &v->module->elements[v->op.index];
    return true;
}

static bool check_table_init(struct validator *v)
{
    const struct table *table;
    const struct element_segment *segment;
    if (!find_table(v, v->op.index2, &table) || !find_element(v, &segment))
        return false;
    if (!value_type_matches(v->module, segment->type, table->type))
        return FAIL(v, "type mismatch: table.init of %s to a table of %s", value_type_text(segment->type).text,
                    value_type_text(table->type).text);
    return pop(v, type_i32) && pop(v, type_i32) && pop(v, address_type(&table->limits));
}

static bool check_elem_drop(struct validator *v)
{
    const struct element_segment *segment;
    return find_element(v, &segment);
}

/* ---- Memory, and all operators with a fixed signature ---- */

static bool find_memory(struct validator *v, uint32_t index, const struct memory **memory)
{
    if (index >= v->module->memory_count)
        return FAIL(v, "unknown memory %u", index);
    *memory = &v->module->memories[index];
    return true;
}

static bool check_memory_copy(struct validator *v)
{
    const struct memory *to, *from;
    if (!find_memory(v, v->op.memory.memory, &to) || !find_memory(v, v->op.index2, &from))
        return false;
    bool is_64 = to->limits.is_64 && from->limits.is_64;
    return pop(v, is_64 ? type_i64 : type_i32) && pop(v, address_type(&from->limits)) &&
           pop(v, address_type(&to->limits));
}

static bool check_memory_argument(struct validator *v, const struct memory *memory)
{
    const struct opcode_info *info = &opcode_table[v->op.code];
    uint32_t align = v->op.memory.align_bits;
    if (info->group == GROUP_ATOMIC && align != info->width)
        return FAIL(v, "atomic alignment must be natural: %s with 2^%u, not 2^%u", info->text, align, info->width);
    if (align > info->width)
        return FAIL(v, "alignment must not be larger than natural: %s with 2^%u, natural is 2^%u", info->text, align,
                    info->width);
    if (!memory->limits.is_64 && v->op.memory.offset > UINT32_MAX)
        return FAIL(v, "offset out of range: %llu for a 32-bit memory", (unsigned long long)v->op.memory.offset);
    return true;
}

static bool check_lane(struct validator *v)
{
    unsigned lanes = 16u >> opcode_table[v->op.code].width;
    if (v->op.lane >= lanes)
        return FAIL(v, "invalid lane index %u: %s has %u lanes", v->op.lane, operator_text(v), lanes);
    return true;
}

static bool check_shuffle(struct validator *v)
{
    for (unsigned i = 0; i < sizeof v->op.vector; i++) {
        if (v->op.vector[i] >= 32)
            return FAIL(v, "invalid lane index %u: i8x16.shuffle has 32 lanes", v->op.vector[i]);
    }
    return true;
}

static bool check_data_index(struct validator *v)
{
    if (!v->module->has_data_count)
        return error_set(v->error, MODULE_MALFORMED, v->op.offset, v->function, "data count section required by %s",
                         operator_text(v));
    if (v->op.index >= v->module->data_count)
        return FAIL(v, "unknown data segment %u", v->op.index);
    return true;
}

/* Immediates of the operators with a fixed signature. `memory` is set when they name one. */
static bool check_immediates(struct validator *v, const struct memory **memory)
{
    switch ((enum immediates)opcode_table[v->op.code].immediates) {
    case IMMEDIATES_MEMARG:
        return find_memory(v, v->op.memory.memory, memory) && check_memory_argument(v, *memory);
    case IMMEDIATES_MEMARG_LANE:
        return find_memory(v, v->op.memory.memory, memory) && check_memory_argument(v, *memory) && check_lane(v);
    case IMMEDIATES_MEMORY:
        return find_memory(v, v->op.memory.memory, memory);
    case IMMEDIATES_DATA_MEMORY:
        return find_memory(v, v->op.memory.memory, memory) && check_data_index(v);
    case IMMEDIATES_DATA:
        return check_data_index(v);
    case IMMEDIATES_LANE:
        return check_lane(v);
    case IMMEDIATES_SHUFFLE:
        return check_shuffle(v);
    default:
        return true;
    }
}

static struct value_type signature_type(char letter, const struct memory *memory)
{
    switch (letter) {
    case 'i':
        return (struct value_type){.kind = VALUE_I32};
    case 'I':
        return (struct value_type){.kind = VALUE_I64};
    case 'f':
        return (struct value_type){.kind = VALUE_F32};
    case 'F':
        return (struct value_type){.kind = VALUE_F64};
    case 'v':
        return (struct value_type){.kind = VALUE_V128};
    default: /* 'a' */
        return address_type(&memory->limits);
    }
}

static bool check_signature(struct validator *v)
{
    const struct memory *memory = NULL;
    if (!check_immediates(v, &memory))
        return false;
    const char *signature = opcode_table[v->op.code].signature;
    const char *colon = strchr(signature, ':');
    for (const char *letter = colon; letter > signature; letter--) {
        if (!pop(v, signature_type(letter[-1], memory)))
            return false;
    }
    for (const char *letter = colon + 1; *letter; letter++) {
        if (!push(v, signature_type(*letter, memory)))
            return false;
    }
    return true;
}

/* ---- One operator ---- */

static bool check_operator(struct validator *v)
{
    struct value_type ignored;
    switch (v->op.code) {
    case OP_UNREACHABLE:
        return set_unreachable(v);
    case OP_BLOCK:
    case OP_LOOP:
    case OP_IF:
    case OP_TRY:
        return check_block(v);
    case OP_TRY_TABLE:
        return check_try_table(v);
    case OP_ELSE:
        return check_else(v);
    case OP_END:
        return check_end(v);
    case OP_BR:
        return check_br(v);
    case OP_BR_IF:
        return check_br_if(v);
    case OP_BR_TABLE:
        return check_br_table(v);
    case OP_RETURN:
        return pop_list(v, v->type->results, v->type->result_count) && set_unreachable(v);
    case OP_BR_ON_NULL:
        return check_br_on_null(v);
    case OP_BR_ON_NON_NULL:
        return check_br_on_non_null(v);
    case OP_CALL:
    case OP_RETURN_CALL:
        return check_call(v);
    case OP_CALL_INDIRECT:
    case OP_RETURN_CALL_INDIRECT:
        return check_call_indirect(v);
    case OP_CALL_REF:
    case OP_RETURN_CALL_REF:
        return check_call_ref(v);
    case OP_THROW:
        return check_throw(v);
    case OP_THROW_REF:
        return pop(v, type_exnref) && set_unreachable(v);
    case OP_CATCH:
    case OP_CATCH_ALL:
        return check_catch(v);
    case OP_RETHROW:
        return check_rethrow(v);
    case OP_DELEGATE:
        return check_delegate(v);
    case OP_DROP:
        return pop_any(v, type_bottom, &ignored);
    case OP_SELECT:
        return check_select(v);
    case OP_SELECT_TYPED:
        return check_select_typed(v);
    case OP_LOCAL_GET:
        return check_local_get(v);
    case OP_LOCAL_SET:
    case OP_LOCAL_TEE:
        return check_local_set(v);
    case OP_GLOBAL_GET:
    case OP_GLOBAL_SET:
        return check_global(v);
    case OP_REF_NULL:
        return push(v, v->op.type);
    case OP_REF_IS_NULL:
        return check_ref_is_null(v);
    case OP_REF_AS_NON_NULL:
        return check_ref_as_non_null(v);
    case OP_REF_FUNC:
        return check_ref_func(v);
    case OP_TABLE_GET:
    case OP_TABLE_SET:
    case OP_TABLE_SIZE:
    case OP_TABLE_GROW:
    case OP_TABLE_FILL:
        return check_table_access(v);
    case OP_TABLE_COPY:
        return check_table_copy(v);
    case OP_TABLE_INIT:
        return check_table_init(v);
    case OP_ELEM_DROP:
        return check_elem_drop(v);
    case OP_MEMORY_COPY:
        return check_memory_copy(v);
    default:
        return check_signature(v);
    }
}

/* ---- Bodies and expressions ---- */

static void reset(struct validator *v)
{
    v->operand_count = 0;
    v->operand_maximum = 0;
    v->frame_count = 0;
    v->frame_maximum = 0;
    v->undo_count = 0;
}

static bool check_body_operators(struct validator *v)
{
    while (v->frame_count > 0) {
        if (operator_reader_at_end(&v->reader))
            return error_set(v->error, MODULE_MALFORMED, v->reader.end, v->function,
                             "END opcode expected: unexpected end of section or function");
        if (!operator_read(&v->reader, &v->op, v->error) || !check_operator(v))
            return false;
    }
    if (!operator_reader_at_end(&v->reader))
        return error_set(v->error, MODULE_MALFORMED, v->reader.position, v->function,
                         "section size mismatch: operators after the end of the function");
    return true;
}

bool validator_check_body(struct validator *v, uint32_t function)
{
    struct function_body *body = &v->module->functions[function].body;
    reset(v);
    v->function = function;
    v->type = module_function_type(v->module, function);
    v->body = body;
    v->stamp++;
    operator_reader_open_body(&v->reader, v->module, function);
    v->op = (struct operation){.offset = body->code_offset};
    struct block_type type = {.has_index = true, .index = v->module->functions[function].type};
    /* Not push_block: a function's parameters are locals. */
    bool is_valid = push_frame(v, OP_BLOCK, type) && check_body_operators(v);
    operator_reader_close(&v->reader);
    body->maximum_stack = v->operand_maximum;
    body->maximum_depth = v->frame_maximum;
    return is_valid;
}

static bool check_constant_global(struct validator *v)
{
    if (v->op.index >= v->global_limit)
        return FAIL(v, "unknown global %u", v->op.index);
    const struct global *global = &v->module->globals[v->op.index];
    if (global->is_mutable)
        return FAIL(v, "constant expression required: global %u is mutable", v->op.index);
    return push(v, global->type);
}

static bool check_constant_operator(struct validator *v)
{
    switch (v->op.code) {
    case OP_I32_ADD:
    case OP_I32_SUB:
    case OP_I32_MUL:
    case OP_I64_ADD:
    case OP_I64_SUB:
    case OP_I64_MUL:
        if (!(v->module->features & FEATURE_EXTENDED_CONST))
            break;
        return check_operator(v);
    case OP_I32_CONST:
    case OP_I64_CONST:
    case OP_F32_CONST:
    case OP_F64_CONST:
    case OP_V128_CONST:
    case OP_REF_NULL:
    case OP_REF_FUNC:
    case OP_END:
        return check_operator(v);
    case OP_GLOBAL_GET:
        return check_constant_global(v);
    default:
        break;
    }
    return FAIL(v, "constant expression required, found %s", operator_text(v));
}

bool validator_check_expression(struct validator *v, struct expression expression, struct value_type type,
                                uint32_t global_limit)
{
    reset(v);
    v->function = MODULE_NO_FUNCTION;
    v->global_limit = global_limit;
    operator_reader_open_expression(&v->reader, v->module, expression);
    v->op = (struct operation){.offset = expression.offset};
    struct block_type block = {.has_result = true, .result = type};
    bool is_valid = push_frame(v, OP_BLOCK, block);
    while (is_valid && v->frame_count > 0)
        is_valid = operator_read(&v->reader, &v->op, v->error) && check_constant_operator(v);
    operator_reader_close(&v->reader);
    return is_valid;
}
