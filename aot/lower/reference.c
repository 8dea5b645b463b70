/* References: pointers, null for null. */
#include "lower/lower.h"

void lower_ref_null(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    lower_push(lower, LLVMConstNull(lower->pointer));
}

void lower_ref_is_null(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    LLVMValueRef is_null = LLVMBuildIsNull(lower->builder, lower_pop(lower), "");
    lower_push(lower, LLVMBuildZExt(lower->builder, is_null, lower->i32, ""));
}

void lower_ref_func(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    lower_push(lower, lower_function_reference(lower, op->index));
}

void lower_ref_as_non_null(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    LLVMValueRef reference = lower_pop(lower);
    lower_trap_if(lower, LLVMBuildIsNull(lower->builder, reference, ""), TRAP_NULL_REFERENCE);
    lower_push(lower, reference);
}
