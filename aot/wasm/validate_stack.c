/* The stacks of the validator of bodies: operand types and open blocks. validate_body.c says how they are used. */
#include <stdlib.h>

#include "validator.h"

const char *operator_text(const struct validator *v)
{
    return opcode_table[v->op.code].text;
}

static bool validator_fail_memory(struct validator *v)
{
    return error_set(v->error, MODULE_NO_MEMORY, v->op.offset, v->function, "out of memory");
}

static bool validator_fail_missing(struct validator *v, struct value_type wanted)
{
    return FAIL(v, "type mismatch: %s requires %s but the stack is empty", operator_text(v),
                value_type_text(wanted).text);
}

static bool validator_fail_type(struct validator *v, struct value_type wanted, struct value_type found)
{
    return FAIL(v, "type mismatch: %s requires %s but the stack has %s", operator_text(v), value_type_text(wanted).text,
                value_type_text(found).text);
}

/* ---- The stacks ---- */

/* Double an array that is full. */
bool validator_grow(struct validator *v, void **array, size_t *capacity, size_t size)
{
    size_t wanted = *capacity ? 2 * *capacity : 64;
    void *bigger = realloc(*array, wanted * size);
    if (!bigger)
        return validator_fail_memory(v);
    *array = bigger;
    *capacity = wanted;
    return true;
}

bool operand_push(struct validator *v, struct value_type type)
{
    if (v->operand_count == v->operand_capacity) {
        void *array = v->operands;
        if (v->operand_count >= LIMIT_OPERANDS)
            return error_set(v->error, MODULE_UNSUPPORTED, v->op.offset, v->function,
                             "too many operands on the stack, the limit is %d", LIMIT_OPERANDS);
        if (!validator_grow(v, &array, &v->operand_capacity, sizeof *v->operands))
            return false;
        v->operands = array;
    }
    v->operands[v->operand_count++] = type;
    if (v->operand_count > v->operand_maximum)
        v->operand_maximum = v->operand_count;
    return true;
}

bool operands_push(struct validator *v, const struct value_type *types, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!operand_push(v, types[i]))
            return false;
    }
    return true;
}

struct frame *frame_top(struct validator *v)
{
    return &v->frames[v->frame_count - 1];
}

/* Pop an operand of any type; `wanted` only serves the message. */
bool operand_pop_any(struct validator *v, struct value_type wanted, struct value_type *found)
{
    const struct frame *frame = frame_top(v);
    if (v->operand_count > frame->height) {
        *found = v->operands[--v->operand_count];
        return true;
    }
    *found = type_bottom;
    return frame->is_unreachable || validator_fail_missing(v, wanted);
}

bool operand_pop(struct validator *v, struct value_type wanted)
{
    struct value_type found;
    if (!operand_pop_any(v, wanted, &found))
        return false;
    return value_type_matches(v->module, found, wanted) || validator_fail_type(v, wanted, found);
}

/* Pop a list of types, whose last is on top. */
bool operands_pop(struct validator *v, const struct value_type *types, uint32_t count)
{
    const struct frame *frame = frame_top(v);
    for (uint32_t i = count; i > 0; i--) {
        /* Nothing there, and nothing has to be: dead calls with many parameters must not take long. */
        if (frame->is_unreachable && v->operand_count == frame->height)
            return true;
        if (!operand_pop(v, types[i - 1]))
            return false;
    }
    return true;
}

bool operand_pop_reference(struct validator *v, struct value_type *found)
{
    if (!operand_pop_any(v, type_funcref, found))
        return false;
    if (found->kind == VALUE_BOTTOM)
        *found = (struct value_type){.kind = VALUE_REFERENCE, .heap = HEAP_BOTTOM};
    if (found->kind != VALUE_REFERENCE)
        return FAIL(v, "type mismatch: %s requires a reference but the stack has %s", operator_text(v),
                    value_type_text(*found).text);
    return true;
}

/* Whether the top of the stack is this list, without popping it. */
bool operands_peek(struct validator *v, const struct value_type *types, uint32_t count)
{
    const struct frame *frame = frame_top(v);
    uint32_t available = v->operand_count - frame->height;
    for (uint32_t i = 0; i < count; i++) {
        struct value_type wanted = types[count - 1 - i];
        if (i >= available)
            return frame->is_unreachable || validator_fail_missing(v, wanted);
        struct value_type found = v->operands[v->operand_count - 1 - i];
        if (!value_type_matches(v->module, found, wanted))
            return validator_fail_type(v, wanted, found);
    }
    return true;
}

bool frame_push(struct validator *v, uint16_t code, struct block_type type)
{
    if (v->frame_count == v->frame_capacity) {
        void *array = v->frames;
        if (!validator_grow(v, &array, &v->frame_capacity, sizeof *v->frames))
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

bool frame_push_block(struct validator *v, uint16_t code, struct block_type type)
{
    return frame_push(v, code, type) &&
           operands_push(v, block_type_parameters(v->module, &type), block_type_parameter_count(v->module, &type));
}

/* Close the innermost block's current part: its results, and nothing else, must be on the stack. They are popped. */
bool frame_close_part(struct validator *v)
{
    struct frame *frame = frame_top(v);
    if (!operands_pop(v, block_type_results(v->module, &frame->type), block_type_result_count(v->module, &frame->type)))
        return false;
    if (v->operand_count != frame->height)
        return FAIL(v, "type mismatch: %u values remain on the stack at %s", v->operand_count - frame->height,
                    operator_text(v));
    while (v->undo_count > frame->undo_height)
        v->local_stamps[v->undo[--v->undo_count]] = 0;
    return true;
}

/* Close the innermost block for good and push its results outside. */
bool frame_close(struct validator *v)
{
    if (!frame_close_part(v))
        return false;
    const struct frame frame = *frame_top(v);
    v->frame_count--;
    return operands_push(v, block_type_results(v->module, &frame.type),
                         block_type_result_count(v->module, &frame.type));
}

/* Go on with another part (else, catch) of the innermost block. */
void frame_reopen(struct validator *v, uint16_t code)
{
    struct frame *frame = frame_top(v);
    frame->code = code;
    frame->is_unreachable = false;
}

bool frame_set_unreachable(struct validator *v)
{
    struct frame *frame = frame_top(v);
    v->operand_count = frame->height;
    frame->is_unreachable = true;
    return true;
}
