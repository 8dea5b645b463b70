/* Helpers: in code that is not optimised, operators that may trap are calls of small functions of the module's own, one
 * for each such operator and what its immediates say.
 *
 * LLVM's fast instruction selector does not know the instruction that traps. Each costs it as much time as a hundred
 * plain instructions, and the branches around it are not free either; a program has thousands. What traps in a helper
 * is reported as trapping in its caller (image/trap_report.c knows helpers by their names). */
#include <stdio.h>
#include <string.h>

#include "lower/lower.h"

/* One more than the operands of the operators that are made calls. */
static const uint8_t operand_counts[OPCODE_COUNT] = {
    [OP_CALL_INDIRECT] = 2, /* the index; it yields the function */
    [OP_UNREACHABLE] = 1,     [OP_MEMORY_COPY] = 4,     [OP_MEMORY_FILL] = 4,     [OP_I32_DIV_S] = 3,
    [OP_I32_DIV_U] = 3,       [OP_I32_REM_S] = 3,       [OP_I32_REM_U] = 3,       [OP_I64_DIV_S] = 3,
    [OP_I64_DIV_U] = 3,       [OP_I64_REM_S] = 3,       [OP_I64_REM_U] = 3,       [OP_I32_TRUNC_F32_S] = 2,
    [OP_I32_TRUNC_F32_U] = 2, [OP_I32_TRUNC_F64_S] = 2, [OP_I32_TRUNC_F64_U] = 2, [OP_I64_TRUNC_F32_S] = 2,
    [OP_I64_TRUNC_F32_U] = 2, [OP_I64_TRUNC_F64_S] = 2, [OP_I64_TRUNC_F64_U] = 2,
};

bool lower_has_helper(const struct lowering *lower, const struct operation *op)
{
    return !lower->program->is_optimised && operand_counts[op->code] > 0;
}

/* ---- any helper ---- */

static void build_body(struct lowering *lower, LLVMValueRef function, helper_builder *build, const void *what)
{
    LLVMValueRef values[HELPER_PARAMETERS + 1], caller = lower->llvm_function, *callers_values = lower->values;
    uint32_t value_count = lower->value_count;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(lower->builder);
    LLVMMetadataRef location = lower_debug_pause(lower);
    lower->llvm_function = function;
    lower->values = values;
    lower->value_count = LLVMCountParams(function);
    LLVMGetParams(function, values);
    LLVMPositionBuilderAtEnd(lower->builder, lower_block_append(lower, ""));
    build(lower, what);
    if (lower->value_count > 0)
        LLVMBuildRet(lower->builder, lower_pop(lower));
    else if (!LLVMGetBasicBlockTerminator(LLVMGetInsertBlock(lower->builder)))
        LLVMBuildRetVoid(lower->builder);
    lower->llvm_function = caller;
    lower->values = callers_values;
    lower->value_count = value_count;
    LLVMPositionBuilderAtEnd(lower->builder, here);
    lower_debug_resume(lower, location);
}

LLVMValueRef lower_call_helper(struct lowering *lower, const char *name, LLVMTypeRef result, LLVMValueRef *arguments,
                               uint32_t count, helper_builder *build, const void *what)
{
    LLVMTypeRef types[HELPER_PARAMETERS];
    for (uint32_t i = 0; i < count; i++)
        types[i] = LLVMTypeOf(arguments[i]);
    LLVMTypeRef type = LLVMFunctionType(result, types, count, false);
    LLVMValueRef function = LLVMGetNamedFunction(lower->llvm, name);
    if (!function) {
        function = LLVMAddFunction(lower->llvm, name, type);
        LLVMSetLinkage(function, LLVMInternalLinkage);
        lower_function_attributes(lower, function);
        build_body(lower, function, build, what);
    }
    return lower_call(lower, type, function, arguments, count);
}

/* ---- operators ---- */

struct helped_operator {
    const struct operation *op;
    lower_handler *handler;
};

/* What the operator would be in its place. */
static void build_operator(struct lowering *lower, const void *what)
{
    const struct helped_operator *helped = what;
    helped->handler(lower, helped->op, &lowering_rows[helped->op->code]);
}

static LLVMTypeRef result_type(const struct lowering *lower, const struct operation *op)
{
    const char *result = strchr(opcode_table[op->code].signature, ':');
    if (op->code == OP_CALL_INDIRECT)
        return lower->pointer;
    return !result || !result[1] ? lower->nothing : result[1] == 'i' ? lower->i32 : lower->i64;
}

LLVMValueRef lower_helped_operator(struct lowering *lower, const struct operation *op, lower_handler *handler)
{
    char name[96];
    const struct helped_operator helped = {op, handler};
    uint32_t count = operand_counts[op->code] - 1u;
    bool has_memory = op->code == OP_MEMORY_COPY || op->code == OP_MEMORY_FILL;
    snprintf(name, sizeof name, IMAGE_HELPER_PREFIX "%s.%u.%u", opcode_table[op->code].text,
             (unsigned)(has_memory ? op->memory.memory : op->index), (unsigned)op->index2);
    lower->value_count -= count;
    return lower_call_helper(lower, name, result_type(lower, op), lower->values + lower->value_count, count,
                             build_operator, &helped);
}

void lower_by_helper(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    LLVMValueRef result = lower_helped_operator(lower, op, row->handler);
    if (LLVMTypeOf(result) != lower->nothing)
        lower_push(lower, result);
    if (op->code == OP_UNREACHABLE)
        LLVMBuildUnreachable(lower->builder);
}
