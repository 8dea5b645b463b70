/* Integer lanes: arithmetic, comparisons, shifts, and operators that change the width of lanes. */
#include "lower/vector.h"

/* ---- lane by lane ---- */

void lower_vector_compare_integer(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef b = vector_pop(lower, row->lanes), a = vector_pop(lower, row->lanes);
    LLVMValueRef truths = LLVMBuildICmp(lower->builder, (LLVMIntPredicate)row->kind, a, b, "");
    vector_push(lower, vector_mask(lower, truths, row->lanes));
}

void lower_vector_binary(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef b = vector_pop(lower, row->lanes), a = vector_pop(lower, row->lanes);
    vector_push(lower, LLVMBuildBinOp(lower->builder, (LLVMOpcode)row->kind, a, b, ""));
}

/* Operations of two vectors that LLVM has an intrinsic for. */
void lower_vector_intrinsic2(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef b = vector_pop(lower, row->lanes), a = vector_pop(lower, row->lanes);
    vector_push(lower, vector_binary(lower, row->intrinsic, a, b));
}

/* The same for one vector. */
void lower_vector_intrinsic1(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    vector_push(lower, vector_unary(lower, row->intrinsic, vector_pop(lower, row->lanes)));
}

void lower_vector_abs(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef a = vector_pop(lower, row->lanes);
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMValueRef arguments[] = {a, LLVMConstInt(lower->i1, 0, false)};
    vector_push(lower, lower_call_intrinsic(lower, "llvm.abs", &type, 1, arguments, 2));
}

void lower_vector_negate(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    vector_push(lower, LLVMBuildNeg(lower->builder, vector_pop(lower, row->lanes), ""));
}

/* The count is a scalar, taken modulo the width of a lane. */
void lower_vector_shift(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMTypeRef lane = vector_lane_type(lower, row->lanes);
    unsigned bits = LLVMGetIntTypeWidth(lane);
    LLVMValueRef count = LLVMBuildAnd(lower->builder, lower_pop(lower), lower_i32(lower, bits - 1), "");
    LLVMValueRef vector = vector_pop(lower, row->lanes);
    count = LLVMBuildIntCast2(lower->builder, count, lane, false, "");
    LLVMValueRef counts = vector_splat(lower, count, vector_lane_count(row->lanes));
    vector_push(lower, LLVMBuildBinOp(lower->builder, (LLVMOpcode)row->kind, vector, counts, ""));
}

/* (a + b + 1) / 2 without overflow: one instruction of both targets, which LLVM recognises by this. */
void lower_vector_average(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef b = vector_pop(lower, row->lanes), a = vector_pop(lower, row->lanes);
    LLVMTypeRef narrow = LLVMTypeOf(a);
    LLVMTypeRef wide = LLVMIntTypeInContext(lower->context, 2 * LLVMGetIntTypeWidth(LLVMGetElementType(narrow)));
    LLVMValueRef ones[16];
    for (unsigned i = 0; i < vector_lane_count(row->lanes); i++)
        ones[i] = LLVMConstInt(wide, 1, false);
    LLVMValueRef one = LLVMConstVector(ones, vector_lane_count(row->lanes));
    LLVMValueRef sum =
        LLVMBuildAdd(lower->builder, vector_extend(lower, a, wide, false), vector_extend(lower, b, wide, false), "");
    sum = LLVMBuildLShr(lower->builder, LLVMBuildAdd(lower->builder, sum, one, ""), one, "");
    vector_push(lower, LLVMBuildTrunc(lower->builder, sum, narrow, ""));
}

/* (a * b + 2^14) / 2^15, saturated. Only -1 * -1 exceeds: x86-64's instruction then gives the lowest number, which no
 * other product gives, and its complement is wanted. */
void lower_vector_q15_multiply(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    LLVMValueRef b = vector_pop(lower, LANES_I16X8), a = vector_pop(lower, LANES_I16X8);
    if (lower->target == TARGET_ARM64) {
        vector_push(lower, vector_binary(lower, "llvm.aarch64.neon.sqrdmulh", a, b));
        return;
    }
    LLVMValueRef product = vector_native2(lower, "llvm.x86.ssse3.pmul.hr.sw.128", a, b);
    LLVMValueRef lowest = vector_constant(lower, LANES_I16X8, 0x8000);
    LLVMValueRef exceeds = LLVMBuildICmp(lower->builder, LLVMIntEQ, product, lowest, "");
    vector_push(lower, LLVMBuildXor(lower->builder, product, vector_mask(lower, exceeds, LANES_I16X8), ""));
}

/* ---- changing the width ---- */

/* The vector that this one is an extension of, or NULL. */
static LLVMValueRef extension_operand(LLVMValueRef vector, LLVMTypeRef type, bool is_signed)
{
    while (LLVMIsABitCastInst(vector))
        vector = LLVMGetOperand(vector, 0);
    bool is_extension = is_signed ? LLVMIsASExtInst(vector) != NULL : LLVMIsAZExtInst(vector) != NULL;
    return is_extension && LLVMTypeOf(vector) == type ? LLVMGetOperand(vector, 0) : NULL;
}

/* The lower or the upper half of a vector's lanes; row->kind: 1 = upper. Half of an extension is the extension of a
 * half: LLVM then sees how few bytes of a load two extensions in a row need. */
static LLVMValueRef half(struct lowering *lower, LLVMValueRef vector, const struct lowering_row *row)
{
    LLVMValueRef narrow = extension_operand(vector, LLVMTypeOf(vector), row->is_signed);
    unsigned count = LLVMGetVectorSize(LLVMTypeOf(vector)) / 2;
    vector = narrow ? narrow : vector;
    return vector_pick(lower, vector, vector, row->kind ? count : 0, 1, count);
}

static LLVMValueRef pop_extended_half(struct lowering *lower, const struct lowering_row *row)
{
    LLVMValueRef narrow = half(lower, vector_pop(lower, vector_narrower(row->lanes)), row);
    return vector_extend(lower, narrow, vector_lane_type(lower, row->lanes), row->is_signed);
}

void lower_vector_extend(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    vector_push(lower, pop_extended_half(lower, row));
}

/* x86-64 has no good 32-bit multiplication: the halves of 16-bit products, interleaved. */
static void multiply_unsigned_words(struct lowering *lower, const struct lowering_row *row)
{
    LLVMValueRef b = vector_pop(lower, LANES_I16X8), a = vector_pop(lower, LANES_I16X8);
    LLVMValueRef low = LLVMBuildMul(lower->builder, a, b, ""), indices[8];
    LLVMValueRef high = vector_native2(lower, "llvm.x86.sse2.pmulhu.w", a, b);
    for (unsigned i = 0; i < 8; i++)
        indices[i] = lower_i32(lower, i / 2 + (row->kind ? 4 : 0) + (i % 2 ? 8 : 0));
    vector_push(lower, LLVMBuildShuffleVector(lower->builder, low, high, LLVMConstVector(indices, 8), ""));
}

void lower_vector_extend_multiply(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    if (lower->target == TARGET_X86_64 && row->lanes == LANES_I32X4 && !row->is_signed) {
        multiply_unsigned_words(lower, row);
        return;
    }
    LLVMValueRef b = pop_extended_half(lower, row), a = pop_extended_half(lower, row);
    vector_push(lower, LLVMBuildMul(lower->builder, a, b, ""));
}

/* x86-64 adds neighbours after a multiplication, here by one. Its byte version takes one operand as unsigned and the
 * other as signed; there is none for unsigned words. */
static LLVMValueRef extend_add_pairs_x86(struct lowering *lower, LLVMValueRef vector, const struct lowering_row *row)
{
    if (row->lanes == LANES_I16X8) {
        LLVMValueRef ones = vector_constant(lower, LANES_I8X16, 1);
        return row->is_signed ? vector_native2(lower, "llvm.x86.ssse3.pmadd.ub.sw.128", ones, vector)
                              : vector_native2(lower, "llvm.x86.ssse3.pmadd.ub.sw.128", vector, ones);
    }
    if (row->is_signed)
        return vector_native2(lower, "llvm.x86.sse2.pmadd.wd", vector, vector_constant(lower, LANES_I16X8, 1));
    LLVMValueRef pairs = vector_view(lower, vector, LANES_I32X4);
    LLVMValueRef upper = LLVMBuildLShr(lower->builder, pairs, vector_constant(lower, LANES_I32X4, 16), "");
    LLVMValueRef low = LLVMBuildAnd(lower->builder, pairs, vector_constant(lower, LANES_I32X4, 0xffff), "");
    return LLVMBuildAdd(lower->builder, upper, low, "");
}

void lower_vector_extend_add_pairs(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef vector = vector_pop(lower, vector_narrower(row->lanes));
    const char *native = row->is_signed ? "llvm.aarch64.neon.saddlp" : "llvm.aarch64.neon.uaddlp";
    vector_push(lower, lower->target == TARGET_ARM64
                           ? vector_native_cast(lower, native, vector_type(lower, row->lanes), vector)
                           : extend_add_pairs_x86(lower, vector, row));
}

/* The sums of neighbours, half as many. */
static LLVMValueRef add_pairs(struct lowering *lower, LLVMValueRef vector)
{
    unsigned count = LLVMGetVectorSize(LLVMTypeOf(vector)) / 2;
    return LLVMBuildAdd(lower->builder, vector_pick(lower, vector, vector, 0, 2, count),
                        vector_pick(lower, vector, vector, 1, 2, count), "");
}

void lower_vector_dot(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMTypeRef lane = vector_lane_type(lower, row->lanes);
    LLVMValueRef b = vector_extend(lower, vector_pop(lower, vector_narrower(row->lanes)), lane, true);
    LLVMValueRef a = vector_extend(lower, vector_pop(lower, vector_narrower(row->lanes)), lane, true);
    vector_push(lower, add_pairs(lower, LLVMBuildMul(lower->builder, a, b, "")));
}

/* Relaxed: the products of bytes in pairs of pairs, added to a third operand. */
void lower_vector_dot_add(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    LLVMValueRef sum = vector_pop(lower, LANES_I32X4);
    struct lowering_row dot = *row;
    dot.lanes = LANES_I16X8;
    lower_vector_dot(lower, op, &dot);
    LLVMValueRef products = vector_extend(lower, vector_pop(lower, LANES_I16X8), lower->i32, true);
    vector_push(lower, LLVMBuildAdd(lower->builder, add_pairs(lower, products), sum, ""));
}

/* arm64 narrows signed lanes to the unsigned range with one instruction that LLVM does not recognise. */
static LLVMValueRef narrow_unsigned_arm64(struct lowering *lower, LLVMValueRef vector, LLVMTypeRef lane)
{
    LLVMTypeRef type = LLVMVectorType(lane, LLVMGetVectorSize(LLVMTypeOf(vector)));
    return lower_call_intrinsic(lower, "llvm.aarch64.neon.sqxtun", &type, 1, &vector, 1);
}

/* Two vectors of twice the width, saturated; row->is_signed: to the signed range. */
void lower_vector_narrow(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    enum lanes wide = (enum lanes)(row->lanes + 1);
    LLVMTypeRef lane = vector_lane_type(lower, row->lanes);
    unsigned count = vector_lane_count(row->lanes), bits = LLVMGetIntTypeWidth(lane);
    LLVMValueRef b = vector_pop(lower, wide), a = vector_pop(lower, wide), bounds[2][16];
    if (lower->target == TARGET_ARM64 && !row->is_signed) {
        a = narrow_unsigned_arm64(lower, a, lane), b = narrow_unsigned_arm64(lower, b, lane);
        vector_push(lower, vector_pick(lower, a, b, 0, 1, count));
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        LLVMTypeRef type = vector_lane_type(lower, wide);
        bounds[0][i] = LLVMConstInt(type, row->is_signed ? (uint64_t) - (1ll << (bits - 1)) : 0, true);
        bounds[1][i] = LLVMConstInt(type, row->is_signed ? (1ull << (bits - 1)) - 1 : (1ull << bits) - 1, false);
    }
    LLVMValueRef both = vector_pick(lower, a, b, 0, 1, count);
    both = vector_binary(lower, "llvm.smax", both, LLVMConstVector(bounds[0], count));
    both = vector_binary(lower, "llvm.smin", both, LLVMConstVector(bounds[1], count));
    vector_push(lower, LLVMBuildTrunc(lower->builder, both, vector_type(lower, row->lanes), ""));
}
