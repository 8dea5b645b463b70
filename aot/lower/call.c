/* Calls. A function's address is its reference; four bytes before its code stands the number of its type, which an
 * indirect call compares with the type it was compiled for. */
#include <stdlib.h>

#include "lower/lower.h"

/* Pops the arguments, calls, pushes the results. */
static void call_function(struct lowering *lower, const struct function_type *type, LLVMTypeRef llvm_type,
                          LLVMValueRef callee)
{
    lower->value_count -= type->parameter_count;
    LLVMValueRef result =
        lower_call(lower, llvm_type, callee, lower->values + lower->value_count, type->parameter_count);
    if (type->result_count == 1)
        lower_push(lower, result);
    for (uint32_t i = 0; i < type->result_count && type->result_count > 1; i++)
        lower_push(lower, LLVMBuildExtractValue(lower->builder, result, i, ""));
}

void lower_call_direct(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    const struct lowered_function *function = &lower->functions[op->index];
    call_function(lower, module_function_type(lower->module, op->index), function->type, function->value);
}

/* The type number of a function that is not null. */
static LLVMValueRef function_type_number(struct lowering *lower, LLVMValueRef function)
{
    LLVMValueRef before = LLVMConstInt(lower->i64, (uint64_t)-4, true);
    LLVMValueRef place = LLVMBuildGEP2(lower->builder, lower->i8, function, &before, 1, "");
    LLVMValueRef number = LLVMBuildLoad2(lower->builder, lower->i32, place, "");
    LLVMSetAlignment(number, 4);
    return number;
}

void lower_call_indirect(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    const struct lowered_table *table = &lower->tables[op->index2];
    LLVMValueRef function = lower_table_entry(lower, table, lower_pop(lower), TRAP_UNDEFINED_ELEMENT);
    lower_trap_if(lower, LLVMBuildIsNull(lower->builder, function, ""), TRAP_UNINITIALIZED_ELEMENT);
    LLVMValueRef number = lower_i32(lower, lower->instance->type_numbers[op->index]);
    LLVMValueRef is_other = LLVMBuildICmp(lower->builder, LLVMIntNE, function_type_number(lower, function), number, "");
    lower_trap_if(lower, is_other, TRAP_INDIRECT_CALL_TYPE_MISMATCH);
    const struct function_type *type = &lower->module->types[op->index];
    call_function(lower, type, lower_function_type(lower, type), function);
}
