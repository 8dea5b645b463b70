/* Comparisons yield an i32, 0 or 1. The row's kind is LLVM's predicate. */
#include "lower/lower.h"

static void push_truth(struct lowering *lower, LLVMValueRef truth)
{
    lower_push(lower, LLVMBuildZExt(lower->builder, truth, lower->i32, ""));
}

/* What push_truth made of an i1 just now; NULL: the value is another one. */
static LLVMValueRef truth_of(const struct lowering *lower, LLVMValueRef value)
{
    if (!LLVMIsAZExtInst(value) || LLVMGetInstructionParent(value) != LLVMGetInsertBlock(lower->builder))
        return NULL;
    LLVMValueRef truth = LLVMGetOperand(value, 0);
    return LLVMTypeOf(truth) == lower->i1 ? truth : NULL;
}

LLVMValueRef lower_pop_truth(struct lowering *lower)
{
    LLVMValueRef value = lower_pop(lower), truth = truth_of(lower, value);
    return truth ? truth : LLVMBuildICmp(lower->builder, LLVMIntNE, value, lower_i32(lower, 0), "");
}

static LLVMIntPredicate inverse_integer(LLVMIntPredicate predicate)
{
    static const LLVMIntPredicate inverses[] = {
        [LLVMIntEQ] = LLVMIntNE,   [LLVMIntNE] = LLVMIntEQ,   [LLVMIntUGT] = LLVMIntULE, [LLVMIntULE] = LLVMIntUGT,
        [LLVMIntUGE] = LLVMIntULT, [LLVMIntULT] = LLVMIntUGE, [LLVMIntSGT] = LLVMIntSLE, [LLVMIntSLE] = LLVMIntSGT,
        [LLVMIntSGE] = LLVMIntSLT, [LLVMIntSLT] = LLVMIntSGE};
    return inverses[predicate];
}

/* Of an i32 or i64. A comparison's result is not compared again: the opposite is, and the code generator finds the
 * first one unused. */
void lower_compare_zero(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    LLVMValueRef value = lower_pop(lower), truth = truth_of(lower, value);
    if (truth && LLVMIsAICmpInst(truth))
        push_truth(lower, LLVMBuildICmp(lower->builder, inverse_integer(LLVMGetICmpPredicate(truth)),
                                        LLVMGetOperand(truth, 0), LLVMGetOperand(truth, 1), ""));
    else
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
