/* One function body: locals become stack slots (LLVM makes registers of them), then operator after
 * operator goes to its row. */
#include <stdio.h>
#include <stdlib.h>

#include "lower/lower.h"
#include "memory.h"

/* Locals begin as their parameters or zero. */
static void lower_locals(struct lowering *lower, const struct function_type *type)
{
    uint32_t count = lower->module->functions[lower->function].body.local_count;
    struct value_type *types = allocate(count, sizeof *types);
    module_function_locals(lower->module, lower->function, types);
    lower->locals = allocate(count, sizeof *lower->locals);
    lower->local_types = allocate(count, sizeof *lower->local_types);
    lower->known_locals = allocate(count, sizeof *lower->known_locals);
    for (uint32_t i = 0; i < count; i++) {
        lower->local_types[i] = lower_value_type(lower, types[i]);
        lower->locals[i] = LLVMBuildAlloca(lower->builder, lower->local_types[i], "");
    }
    for (uint32_t i = 0; i < count; i++) {
        bool is_float = types[i].kind == VALUE_F32 || types[i].kind == VALUE_F64;
        LLVMValueRef value = i < type->parameter_count     ? LLVMGetParam(lower->llvm_function, i)
                             : is_float                    ? lower_float_constant(lower, 0, types[i].kind == VALUE_F64)
                             : types[i].kind == VALUE_V128 ? lower_vector_zero(lower)
                                                           : LLVMConstNull(lower->local_types[i]);
        LLVMBuildStore(lower->builder, value, lower->locals[i]);
    }
    free(types);
}

/* In a function that is not optimised blocks end after this many operators: LLVM takes more than linear time in the
 * length of one. */
#define PLAIN_BLOCK_OPERATORS 1000

static void end_long_block(struct lowering *lower, uint32_t *operators)
{
    if (!lower->instance->survey.is_complex[lower->function] || ++*operators < PLAIN_BLOCK_OPERATORS)
        return;
    LLVMBasicBlockRef next = lower_block_append(lower, "");
    LLVMBuildBr(lower->builder, next);
    LLVMPositionBuilderAtEnd(lower->builder, next);
    *operators = 0;
}

/* The function itself is the outermost block; a return is a branch to it. */
static void lower_operators(struct lowering *lower, const struct function_type *type)
{
    struct operator_reader reader;
    struct operation op = {.block = {.has_index = true, .index = lower->module->functions[lower->function].type}};
    lower->value_count = type->parameter_count; /* a block pops its parameters; a function has none on the stack */
    lower_block(lower, &op, NULL);
    lower->blocks[0].height = lower->value_count = 0;

    uint32_t operators = 0;
    operator_reader_open_body(&reader, lower->module, lower->function);
    while (lower->error->result == MODULE_OK && !operator_reader_at_end(&reader)) {
        bool is_read = lower->is_reachable ? operator_read(&reader, &op, lower->error)
                                           : operator_skip_unreachable(&reader, &op, lower->error);
        if (!is_read)
            break;
        const struct lowering_row *row = &lowering_rows[op.code];
        lower_debug_operator(lower, op.offset);
        bool is_early_end = operator_ends_block_early(op.code);
        if (op.code != OP_CALL_INDIRECT && lower_has_helper(lower, &op))
            lower_by_helper(lower, &op, row);
        else
            row->handler(lower, &op, row);
        lower->is_reachable &= !is_early_end;
        if (lower->is_reachable && lower->block_count > 0)
            end_long_block(lower, &operators);
    }
    operator_reader_close(&reader);
}

static void lower_epilogue(struct lowering *lower, const struct function_type *type)
{
    if (type->result_count == 0)
        LLVMBuildRetVoid(lower->builder);
    else if (type->result_count == 1)
        LLVMBuildRet(lower->builder, lower->values[0]);
    else
        LLVMBuildAggregateRet(lower->builder, lower->values, type->result_count);
}

static bool lower_body(struct lowering *lower, uint32_t function)
{
    const struct function_type *type = module_function_type(lower->module, function);
    const struct function_body *body = &lower->module->functions[function].body;
    lower->function = function;
    lower->body_bytes += body->size;
    lower->values =
        allocate((size_t)body->maximum_stack + type->parameter_count + type->result_count + 1, sizeof *lower->values);
    lower->blocks = allocate((size_t)body->maximum_depth + 1, sizeof *lower->blocks);
    lower->block_count = 0;
    lower->is_reachable = true;
    lower->vector_zero = VECTOR_ZERO_UNKNOWN;
    lower->error->result = MODULE_OK;

    LLVMPositionBuilderAtEnd(lower->builder, lower_block_append(lower, ""));
    lower_debug_function(lower, function);
    lower_locals(lower, type);
    lower_operators(lower, type);
    if (lower->error->result == MODULE_OK)
        lower_epilogue(lower, type);
    lower_debug_pause(lower);
    for (uint32_t i = 0; i < lower->block_count; i++) { /* left open by an error */
        free(lower->blocks[i].phis);
        free(lower->blocks[i].else_values);
    }
    free(lower->values);
    free(lower->blocks);
    free(lower->locals);
    free(lower->local_types);
    free(lower->known_locals);
    return lower->error->result == MODULE_OK;
}

/* Called by the copy before, or by the function proper, and gone when it has been inlined there. */
static LLVMValueRef add_copy(struct lowering *lower, uint32_t function)
{
    LLVMValueRef copy = LLVMAddFunction(lower->llvm, "wasm.again", lower->functions[function].type);
    LLVMSetLinkage(copy, LLVMInternalLinkage);
    lower_function_attributes(lower, copy);
    lower_parameters_not_null(lower, copy, module_function_type(lower->module, function));
    lower_may_unwind(lower, copy);
    lower_set_convention(lower, copy);
    lower_function_flag(lower, copy, "alwaysinline");
    return copy;
}

/* LLVM inlines no function in itself. So that some levels of a small one's recursion are one call, its calls of itself
 * call a copy, whose calls of itself call another, and those of the last call the function proper. */
bool lower_function_body(struct lowering *lower, uint32_t function)
{
    LLVMValueRef proper = lower->functions[function].value;
    bool has_copies = lower->part->copies_recursion && lower->borrowed_depth == 0;
    unsigned levels = has_copies ? lower->instance->survey.recursion[function] : 0;
    lower->self = proper;
    for (unsigned level = 0; level <= levels; level++) {
        lower->llvm_function = lower->self;
        lower->self = level < levels ? add_copy(lower, function) : proper;
        lower->is_recursion_ended = levels > 0 && level == levels;
        if (!lower_body(lower, function))
            return false;
    }
    return true;
}
