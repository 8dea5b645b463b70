/* Comparisons yield an i32, 0 or 1. The row's kind is LLVM's predicate. */
#include "lower/lower.h"

static void push_truth(struct lowering *lower, LLVMValueRef truth)
{
    lower_push(lower, LLVMBuildZExt(lower->builder, truth, lower->i32, ""));
}

void lower_compare_zero(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    LLVMValueRef value = lower_pop(lower);
    push_truth(lower, LLVMBuildICmp(lower->builder, LLVMIntEQ, value, LLVMConstNull(LLVMTypeOf(value)), ""));
}

void lower_compare_integer(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef right = lower_pop(lower), left = lower_pop(lower);
    push_truth(lower, LLVMBuildICmp(lower->builder, (LLVMIntPredicate)row->kind, left, right, ""));
}

void lower_compare_float(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef right = lower_pop(lower), left = lower_pop(lower);
    push_truth(lower, LLVMBuildFCmp(lower->builder, (LLVMRealPredicate)row->kind, left, right, ""));
}
