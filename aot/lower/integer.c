/* Integer arithmetic and constants. Where LLVM leaves a case undefined that WebAssembly defines (shift
 * counts, division), the case is taken out first. */
#include "lower/lower.h"

void lower_const_integer(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    LLVMTypeRef type = row->kind == 64 ? lower->i64 : lower->i32;
    lower_push(lower, LLVMConstInt(type, op->constant, false));
}

void lower_binary(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef right = lower_pop(lower), left = lower_pop(lower);
    lower_push(lower, LLVMBuildBinOp(lower->builder, (LLVMOpcode)row->kind, left, right, ""));
}

/* The count is taken modulo the width. */
void lower_shift(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef count = lower_pop(lower), value = lower_pop(lower);
    LLVMTypeRef type = LLVMTypeOf(value);
    LLVMValueRef mask = LLVMConstInt(type, LLVMGetIntTypeWidth(type) - 1, false);
    count = LLVMBuildAnd(lower->builder, count, mask, "");
    lower_push(lower, LLVMBuildBinOp(lower->builder, (LLVMOpcode)row->kind, value, count, ""));
}

void lower_rotate(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef count = lower_pop(lower), value = lower_pop(lower);
    LLVMTypeRef type = LLVMTypeOf(value);
    LLVMValueRef arguments[] = {value, value, count};
    lower_push(lower, lower_call_intrinsic(lower, row->intrinsic, &type, 1, arguments, 3));
}

void lower_count_zeros(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef value = lower_pop(lower);
    LLVMTypeRef type = LLVMTypeOf(value);
    LLVMValueRef arguments[] = {value, LLVMConstInt(lower->i1, 0, false)};
    lower_push(lower, lower_call_intrinsic(lower, row->intrinsic, &type, 1, arguments, 2));
}

void lower_popcount(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef value = lower_pop(lower);
    LLVMTypeRef type = LLVMTypeOf(value);
    lower_push(lower, lower_call_intrinsic(lower, row->intrinsic, &type, 1, &value, 1));
}

static void trap_if_zero(struct lowering *lower, LLVMValueRef divisor)
{
    LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(divisor));
    lower_trap_if(lower, LLVMBuildICmp(lower->builder, LLVMIntEQ, divisor, zero, ""), TRAP_INTEGER_DIVIDE_BY_ZERO);
}

static LLVMValueRef is_minus_one(struct lowering *lower, LLVMValueRef value)
{
    LLVMValueRef minus_one = LLVMConstAllOnes(LLVMTypeOf(value));
    return LLVMBuildICmp(lower->builder, LLVMIntEQ, value, minus_one, "");
}

void lower_divide(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef divisor = lower_pop(lower), dividend = lower_pop(lower);
    trap_if_zero(lower, divisor);
    if (!row->is_signed) {
        lower_push(lower, LLVMBuildUDiv(lower->builder, dividend, divisor, ""));
        return;
    }
    LLVMTypeRef type = LLVMTypeOf(dividend);
    LLVMValueRef lowest = LLVMConstInt(type, 1ull << (LLVMGetIntTypeWidth(type) - 1), false);
    LLVMValueRef is_lowest = LLVMBuildICmp(lower->builder, LLVMIntEQ, dividend, lowest, "");
    LLVMValueRef overflows = LLVMBuildAnd(lower->builder, is_lowest, is_minus_one(lower, divisor), "");
    lower_trap_if(lower, overflows, TRAP_INTEGER_OVERFLOW);
    lower_push(lower, LLVMBuildSDiv(lower->builder, dividend, divisor, ""));
}

/* The remainder by -1 is 0, also of the lowest integer; so is the remainder by 1. */
void lower_remainder(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef divisor = lower_pop(lower), dividend = lower_pop(lower);
    trap_if_zero(lower, divisor);
    if (!row->is_signed) {
        lower_push(lower, LLVMBuildURem(lower->builder, dividend, divisor, ""));
        return;
    }
    LLVMValueRef one = LLVMConstInt(LLVMTypeOf(divisor), 1, false);
    divisor = LLVMBuildSelect(lower->builder, is_minus_one(lower, divisor), one, divisor, "");
    lower_push(lower, LLVMBuildSRem(lower->builder, dividend, divisor, ""));
}

/* The row's kind is the number of bits that count. */
void lower_sign_extend(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef value = lower_pop(lower);
    LLVMTypeRef narrow = LLVMIntTypeInContext(lower->context, (unsigned)row->kind);
    LLVMValueRef low = LLVMBuildTrunc(lower->builder, value, narrow, "");
    lower_push(lower, LLVMBuildSExt(lower->builder, low, LLVMTypeOf(value), ""));
}
