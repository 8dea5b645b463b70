/* Conversions between types. The row's kind is LLVM's cast, or the result's bits for truncations. */
#include <math.h>

#include "lower/lower.h"

static LLVMTypeRef result_type(const struct lowering *lower, uint16_t code)
{
    switch (opcode_table[code].signature[2]) {
    case 'i':
        return lower->i32;
    case 'I':
        return lower->i64;
    case 'f':
        return lower->f32;
    default:
        return lower->f64;
    }
}

void lower_convert(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    LLVMValueRef value = lower_pop(lower);
    lower_push(lower, LLVMBuildCast(lower->builder, (LLVMOpcode)row->kind, value, result_type(lower, op->code), ""));
}

void lower_reinterpret(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    lower_push(lower, LLVMBuildBitCast(lower->builder, lower_pop(lower), result_type(lower, op->code), ""));
}

/* LLVM folds a demotion of a promotion to nothing, and with it the quieting of a signalling NaN. */
void lower_demote(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    LLVMValueRef value = lower_hide(lower, lower_pop(lower));
    lower_push(lower, LLVMBuildFPTrunc(lower->builder, value, lower->f32, ""));
}

/* The open interval of values whose truncation fits: its ends are exact in the operand's format. Of a single, no value
 * lies between the lowest integer and the next below it, so that one is the end. */
static void truncation_bounds(bool is_signed, unsigned bits, bool is_double, double *below, double *above)
{
    *above = ldexp(1.0, (int)bits - (is_signed ? 1 : 0));
    *below = -1.0;
    if (is_signed)
        *below = is_double ? nextafter(-*above, -INFINITY) : (double)nextafterf((float)-*above, -INFINITY);
    if (is_signed && is_double && bits == 32)
        *below = -*above - 1.0;
}

void lower_truncate(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    LLVMValueRef value = lower_pop(lower);
    LLVMTypeRef from = LLVMTypeOf(value), to = result_type(lower, op->code);
    double below, above;
    truncation_bounds(row->is_signed, LLVMGetIntTypeWidth(to), from == lower->f64, &below, &above);
    LLVMValueRef is_nan = LLVMBuildFCmp(lower->builder, LLVMRealUNO, value, value, "");
    lower_trap_if(lower, is_nan, TRAP_INVALID_CONVERSION);
    LLVMValueRef too_low = LLVMBuildFCmp(lower->builder, LLVMRealOLE, value, LLVMConstReal(from, below), "");
    LLVMValueRef too_high = LLVMBuildFCmp(lower->builder, LLVMRealOGE, value, LLVMConstReal(from, above), "");
    lower_trap_if(lower, LLVMBuildOr(lower->builder, too_low, too_high, ""), TRAP_INTEGER_OVERFLOW);
    lower_push(lower, row->is_signed ? LLVMBuildFPToSI(lower->builder, value, to, "")
                                     : LLVMBuildFPToUI(lower->builder, value, to, ""));
}

void lower_truncate_saturating(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    LLVMValueRef value = lower_pop(lower);
    LLVMTypeRef overloads[] = {result_type(lower, op->code), LLVMTypeOf(value)};
    const char *intrinsic = row->is_signed ? "llvm.fptosi.sat" : "llvm.fptoui.sat";
    lower_push(lower, lower_call_intrinsic(lower, intrinsic, overloads, 2, &value, 1));
}
