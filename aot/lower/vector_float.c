/* Floating-point lanes. What float.c says about signalling NaNs holds for each lane; vector.c hides the constants that
 * LLVM folds arithmetic with. */
#include "lower/vector.h"

#include <string.h>

static LLVMValueRef float_constant(const struct lowering *lower, enum lanes lanes, double value)
{
    LLVMValueRef values[4];
    for (unsigned i = 0; i < vector_lane_count(lanes); i++)
        values[i] = LLVMConstReal(vector_lane_type(lower, lanes), value);
    return LLVMConstVector(values, vector_lane_count(lanes));
}

static enum lanes integer_lanes(enum lanes lanes)
{
    return lanes == LANES_F32X4 ? LANES_I32X4 : LANES_I64X2;
}

/* ---- arithmetic ---- */

void lower_vector_arithmetic(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef b = vector_pop(lower, row->lanes), a = vector_pop(lower, row->lanes);
    vector_push(lower, LLVMBuildBinOp(lower->builder, (LLVMOpcode)row->kind, a, b, ""));
}

void lower_vector_float_negate(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    vector_push(lower, LLVMBuildFNeg(lower->builder, vector_pop(lower, row->lanes), ""));
}

/* Relaxed: a * b + c, or c - a * b when row->kind; always rounded twice, so that both targets agree. */
void lower_vector_multiply_add(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef c = vector_pop(lower, row->lanes), b = vector_pop(lower, row->lanes);
    LLVMValueRef a = vector_pop(lower, row->lanes);
    if (row->kind)
        a = LLVMBuildFNeg(lower->builder, a, "");
    vector_push(lower, LLVMBuildFAdd(lower->builder, LLVMBuildFMul(lower->builder, a, b, ""), c, ""));
}

void lower_vector_compare_float(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef b = vector_pop(lower, row->lanes), a = vector_pop(lower, row->lanes);
    LLVMValueRef truths = LLVMBuildFCmp(lower->builder, (LLVMRealPredicate)row->kind, a, b, "");
    vector_push(lower, vector_mask(lower, truths, integer_lanes(row->lanes)));
}

/* ---- minimum and maximum ---- */

/* x86-64's minps and the like: a < b ? a : b, so b when they are equal (zeroes of either sign) or one is a NaN. */
static LLVMValueRef extreme_x86(struct lowering *lower, bool is_minimum, enum lanes lanes, LLVMValueRef a,
                                LLVMValueRef b)
{
    static const char *const names[2][2] = {{"llvm.x86.sse.max.ps", "llvm.x86.sse2.max.pd"},
                                            {"llvm.x86.sse.min.ps", "llvm.x86.sse2.min.pd"}};
    return vector_native2(lower, names[is_minimum][lanes == LANES_F64X2], a, b);
}

/* The extreme taken both ways round differs only for zeroes of different signs and for NaNs: the bits of the two
 * together are the right zero, and a NaN takes the canonical one. */
static LLVMValueRef minmax_x86(struct lowering *lower, bool is_minimum, enum lanes lanes, LLVMValueRef a,
                               LLVMValueRef b)
{
    enum lanes bits = integer_lanes(lanes);
    uint64_t canonical = lanes == LANES_F32X4 ? 0x7fc00000 : 0x7ff8000000000000;
    LLVMValueRef one = vector_view(lower, extreme_x86(lower, is_minimum, lanes, a, b), bits);
    LLVMValueRef other = vector_view(lower, extreme_x86(lower, is_minimum, lanes, b, a), bits);
    LLVMValueRef extreme =
        is_minimum ? LLVMBuildOr(lower->builder, one, other, "") : LLVMBuildAnd(lower->builder, one, other, "");
    LLVMValueRef is_nan = LLVMBuildFCmp(lower->builder, LLVMRealUNO, a, b, "");
    return LLVMBuildSelect(lower->builder, is_nan, vector_constant(lower, bits, canonical), extreme, "");
}

void lower_vector_minmax(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef b = vector_pop(lower, row->lanes), a = vector_pop(lower, row->lanes);
    bool is_minimum = strcmp(row->intrinsic, "llvm.minimum") == 0;
    vector_push(lower, lower->target == TARGET_ARM64 ? lower_minmax(lower, row->intrinsic, a, b)
                                                     : minmax_x86(lower, is_minimum, row->lanes, a, b));
}

/* min: b < a ? b : a; max: a < b ? b : a. */
void lower_vector_pseudo_minmax(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef b = vector_pop(lower, row->lanes), a = vector_pop(lower, row->lanes);
    LLVMValueRef takes_b = row->kind ? LLVMBuildFCmp(lower->builder, LLVMRealOLT, a, b, "")
                                     : LLVMBuildFCmp(lower->builder, LLVMRealOLT, b, a, "");
    vector_push(lower, LLVMBuildSelect(lower->builder, takes_b, b, a, ""));
}

/* ---- conversions ---- */

/* Pads two lanes to four with zeroes. */
static LLVMValueRef pad(struct lowering *lower, LLVMValueRef two)
{
    return vector_pick(lower, two, LLVMConstNull(LLVMTypeOf(two)), 0, 1, 4);
}

/* f32x4 from i32x4; row->kind is LLVM's cast. */
void lower_vector_convert(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef a = vector_pop(lower, LANES_I32X4);
    vector_push(lower, LLVMBuildCast(lower->builder, (LLVMOpcode)row->kind, a, vector_type(lower, LANES_F32X4), ""));
}

/* f64x2 from the low two lanes, which row->lanes names. */
void lower_vector_convert_low(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef a = vector_pop(lower, row->lanes);
    LLVMValueRef low = vector_pick(lower, a, a, 0, 1, 2);
    vector_push(lower, LLVMBuildCast(lower->builder, (LLVMOpcode)row->kind, low, vector_type(lower, LANES_F64X2), ""));
}

void lower_vector_demote(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    LLVMValueRef a = lower_hide(lower, vector_pop(lower, LANES_F64X2));
    LLVMTypeRef narrow = LLVMVectorType(lower->f32, 2);
    vector_push(lower, pad(lower, LLVMBuildFPTrunc(lower->builder, a, narrow, "")));
}

/* ---- saturating truncation ----
 *
 * arm64 has instructions for it, to integers of the operand's width. x86-64's give the lowest integer for whatever does
 * not fit; LLVM would go lane by lane. */

/* The two 64-bit integers saturate once more on their way to 32 bits. */
static LLVMValueRef truncate_arm64(struct lowering *lower, LLVMValueRef a, const struct lowering_row *row)
{
    LLVMTypeRef integers = vector_type(lower, integer_lanes(row->lanes)), narrow = LLVMVectorType(lower->i32, 2);
    const char *intrinsic = row->is_signed ? "llvm.fptosi.sat" : "llvm.fptoui.sat";
    LLVMValueRef result = vector_native_cast(lower, intrinsic, integers, a);
    if (row->lanes == LANES_F32X4)
        return result;
    intrinsic = row->is_signed ? "llvm.aarch64.neon.sqxtn" : "llvm.aarch64.neon.uqxtn";
    return pad(lower, lower_call_intrinsic(lower, intrinsic, &narrow, 1, &result, 1));
}

/* NaN becomes 0; what is too low gives the lowest integer by itself; what is too high gives it too, complemented. */
static LLVMValueRef truncate_f32x4_s(struct lowering *lower, LLVMValueRef a)
{
    LLVMValueRef is_number = LLVMBuildFCmp(lower->builder, LLVMRealORD, a, a, "");
    a = LLVMBuildSelect(lower->builder, is_number, a, LLVMConstNull(LLVMTypeOf(a)), "");
    LLVMValueRef limit = float_constant(lower, LANES_F32X4, 2147483648.0);
    LLVMValueRef is_high = LLVMBuildFCmp(lower->builder, LLVMRealOGE, a, limit, "");
    LLVMValueRef result = vector_native1(lower, "llvm.x86.sse2.cvttps2dq", a);
    return LLVMBuildXor(lower->builder, result, vector_mask(lower, is_high, LANES_I32X4), "");
}

/* The sum of two signed truncations: of the value, which is 2^31 from there on, and of what exceeds 2^31. */
static LLVMValueRef truncate_f32x4_u(struct lowering *lower, LLVMValueRef a)
{
    LLVMValueRef limit = float_constant(lower, LANES_F32X4, 2147483648.0);
    a = extreme_x86(lower, false, LANES_F32X4, a, LLVMConstNull(LLVMTypeOf(a))); /* 0 for NaN */
    LLVMValueRef excess = LLVMBuildFSub(lower->builder, a, limit, "");
    LLVMValueRef is_high = LLVMBuildFCmp(lower->builder, LLVMRealOGE, excess, limit, "");
    LLVMValueRef upper = vector_native1(lower, "llvm.x86.sse2.cvttps2dq", excess);
    upper = LLVMBuildXor(lower->builder, upper, vector_mask(lower, is_high, LANES_I32X4), "");
    upper = vector_binary(lower, "llvm.smax", upper, LLVMConstNull(LLVMTypeOf(upper)));
    return LLVMBuildAdd(lower->builder, vector_native1(lower, "llvm.x86.sse2.cvttps2dq", a), upper, "");
}

/* A double holds every 32-bit integer, so the range is cut before. The limit of a NaN is 0, and so is the lesser. */
static LLVMValueRef truncate_f64x2_s(struct lowering *lower, LLVMValueRef a)
{
    LLVMValueRef limit = float_constant(lower, LANES_F64X2, 2147483647.0);
    LLVMValueRef is_number = LLVMBuildFCmp(lower->builder, LLVMRealORD, a, a, "");
    limit = LLVMBuildSelect(lower->builder, is_number, limit, LLVMConstNull(LLVMTypeOf(a)), "");
    return vector_native1(lower, "llvm.x86.sse2.cvttpd2dq", extreme_x86(lower, true, LANES_F64X2, a, limit));
}

/* Adding 2^52 puts an integer into the low bits of the double. */
static LLVMValueRef truncate_f64x2_u(struct lowering *lower, LLVMValueRef a)
{
    a = extreme_x86(lower, false, LANES_F64X2, a, LLVMConstNull(LLVMTypeOf(a))); /* 0 for NaN */
    a = extreme_x86(lower, true, LANES_F64X2, a, float_constant(lower, LANES_F64X2, 4294967295.0));
    a = vector_unary(lower, "llvm.trunc", a);
    a = LLVMBuildFAdd(lower->builder, a, float_constant(lower, LANES_F64X2, 4503599627370496.0), "");
    LLVMValueRef words = vector_view(lower, a, LANES_I32X4);
    return pad(lower, vector_pick(lower, words, words, 0, 2, 2));
}

/* i32x4 from f32x4, or from f64x2 with zeroes above. */
void lower_vector_truncate(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef a = vector_pop(lower, row->lanes);
    if (lower->target == TARGET_ARM64)
        vector_push(lower, truncate_arm64(lower, a, row));
    else if (row->lanes == LANES_F32X4)
        vector_push(lower, row->is_signed ? truncate_f32x4_s(lower, a) : truncate_f32x4_u(lower, a));
    else
        vector_push(lower, row->is_signed ? truncate_f64x2_s(lower, a) : truncate_f64x2_u(lower, a));
}
