/* Vectors. A v128 on the value stack is <16 x i8>; each row says as which lanes an operator sees its operands. What
 * float.c says about signalling NaNs holds for lanes too. */
#include <string.h>

#include "lower/lower.h"

/* ---- lanes ---- */

static LLVMTypeRef lane_type(const struct lowering *lower, enum lanes lanes)
{
    const LLVMTypeRef types[] = {[LANES_I8X16] = lower->i8,  [LANES_I16X8] = lower->i16, [LANES_I32X4] = lower->i32,
                                 [LANES_I64X2] = lower->i64, [LANES_F32X4] = lower->f32, [LANES_F64X2] = lower->f64};
    return types[lanes];
}

static unsigned lane_count(enum lanes lanes)
{
    static const unsigned counts[] = {[LANES_I8X16] = 16, [LANES_I16X8] = 8, [LANES_I32X4] = 4,
                                      [LANES_I64X2] = 2,  [LANES_F32X4] = 4, [LANES_F64X2] = 2};
    return counts[lanes];
}

static LLVMTypeRef vector_type(const struct lowering *lower, enum lanes lanes)
{
    return LLVMVectorType(lane_type(lower, lanes), lane_count(lanes));
}

/* The lanes of half the width, twice as many. */
static enum lanes narrower(enum lanes lanes)
{
    return lanes == LANES_F64X2 ? LANES_F32X4 : (enum lanes)(lanes - 1);
}

LLVMValueRef lower_pop_lanes(struct lowering *lower, enum lanes lanes)
{
    return LLVMBuildBitCast(lower->builder, lower_pop(lower), vector_type(lower, lanes), "");
}

void lower_push_vector(struct lowering *lower, LLVMValueRef vector)
{
    lower_push(lower, LLVMBuildBitCast(lower->builder, vector, LLVMVectorType(lower->i8, 16), ""));
}

static LLVMValueRef constant_lanes(const struct lowering *lower, enum lanes lanes, uint64_t value)
{
    LLVMValueRef values[16];
    for (unsigned i = 0; i < lane_count(lanes); i++)
        values[i] = LLVMConstInt(lane_type(lower, lanes), value, false);
    return LLVMConstVector(values, lane_count(lanes));
}

LLVMValueRef lower_splat(struct lowering *lower, LLVMValueRef scalar, unsigned count)
{
    LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(scalar), count);
    LLVMValueRef mask = LLVMConstNull(LLVMVectorType(lower->i32, count));
    LLVMValueRef one = LLVMBuildInsertElement(lower->builder, LLVMGetPoison(type), scalar, lower_i32(lower, 0), "");
    return LLVMBuildShuffleVector(lower->builder, one, LLVMGetPoison(type), mask, "");
}

/* `count` lanes of a (and of b after it), from `first` in steps of `step`. */
static LLVMValueRef pick(struct lowering *lower, LLVMValueRef a, LLVMValueRef b, unsigned first, unsigned step,
                         unsigned count)
{
    LLVMValueRef indices[32];
    for (unsigned i = 0; i < count; i++)
        indices[i] = lower_i32(lower, first + i * step);
    return LLVMBuildShuffleVector(lower->builder, a, b, LLVMConstVector(indices, count), "");
}

static LLVMValueRef extend(struct lowering *lower, LLVMValueRef vector, LLVMTypeRef lane, bool is_signed)
{
    LLVMTypeRef type = LLVMVectorType(lane, LLVMGetVectorSize(LLVMTypeOf(vector)));
    return is_signed ? LLVMBuildSExt(lower->builder, vector, type, "")
                     : LLVMBuildZExt(lower->builder, vector, type, "");
}

static LLVMValueRef binary_intrinsic(struct lowering *lower, const char *name, LLVMValueRef a, LLVMValueRef b)
{
    LLVMTypeRef type = LLVMTypeOf(a);
    return lower_call_intrinsic(lower, name, &type, 1, (LLVMValueRef[]){a, b}, 2);
}

/* ---- constants and moving lanes ---- */

/* Whether all lanes are the same of -0, 1, -1 as floats of either width: what LLVM folds arithmetic with. */
static bool is_folded_constant(const uint8_t bytes[16])
{
    static const uint32_t singles[] = {0x80000000, 0x3f800000, 0xbf800000};
    static const uint64_t doubles[] = {0x8000000000000000, 0x3ff0000000000000, 0xbff0000000000000};
    uint32_t narrow[4];
    uint64_t wide[2];
    memcpy(narrow, bytes, 16);
    memcpy(wide, bytes, 16);
    for (int i = 0; i < 3; i++)
        if ((wide[0] == wide[1] && wide[0] == doubles[i]) ||
            (narrow[0] == singles[i] && narrow[1] == singles[i] && wide[0] == wide[1]))
            return true;
    return false;
}

void lower_vector_const(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMValueRef bytes[16];
    for (unsigned i = 0; i < 16; i++)
        bytes[i] = LLVMConstInt(lower->i8, op->vector[i], false);
    LLVMValueRef value = LLVMConstVector(bytes, 16);
    lower_push(lower, is_folded_constant(op->vector) ? lower_hide(lower, value) : value);
}

void lower_vector_shuffle(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMValueRef b = lower_pop(lower), a = lower_pop(lower), indices[16];
    for (unsigned i = 0; i < 16; i++)
        indices[i] = lower_i32(lower, op->vector[i]);
    lower_push(lower, LLVMBuildShuffleVector(lower->builder, a, b, LLVMConstVector(indices, 16), ""));
}

/* Lanes that an index beyond 15 selects are 0. That is arm64's table look-up; x86-64's shuffle wants the top bit set
 * for it, which a saturating addition does. A relaxed swizzle leaves that out. */
void lower_vector_swizzle(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    LLVMValueRef indices = lower_pop(lower), bytes = lower_pop(lower);
    LLVMTypeRef type = LLVMTypeOf(bytes);
    (void)row;
    if (lower->target == TARGET_ARM64) {
        lower_push(lower, lower_call_intrinsic(lower, "llvm.aarch64.neon.tbl1", &type, 1,
                                               (LLVMValueRef[]){bytes, indices}, 2));
        return;
    }
    if (op->code == OP_I8X16_SWIZZLE)
        indices = binary_intrinsic(lower, "llvm.uadd.sat", indices, constant_lanes(lower, LANES_I8X16, 0x70));
    lower_push(lower,
               lower_call_intrinsic(lower, "llvm.x86.ssse3.pshuf.b.128", NULL, 0, (LLVMValueRef[]){bytes, indices}, 2));
}

void lower_vector_splat(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef scalar = lower_pop(lower);
    if (row->lanes == LANES_I8X16 || row->lanes == LANES_I16X8)
        scalar = LLVMBuildTrunc(lower->builder, scalar, lane_type(lower, row->lanes), "");
    lower_push_vector(lower, lower_splat(lower, scalar, lane_count(row->lanes)));
}

void lower_vector_extract(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    LLVMValueRef vector = lower_pop_lanes(lower, row->lanes);
    LLVMValueRef lane = LLVMBuildExtractElement(lower->builder, vector, lower_i32(lower, op->lane), "");
    if (row->lanes == LANES_I8X16 || row->lanes == LANES_I16X8)
        lane = row->is_signed ? LLVMBuildSExt(lower->builder, lane, lower->i32, "")
                              : LLVMBuildZExt(lower->builder, lane, lower->i32, "");
    lower_push(lower, lane);
}

void lower_vector_replace(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    LLVMValueRef lane = lower_pop(lower), vector = lower_pop_lanes(lower, row->lanes);
    if (row->lanes == LANES_I8X16 || row->lanes == LANES_I16X8)
        lane = LLVMBuildTrunc(lower->builder, lane, lane_type(lower, row->lanes), "");
    lower_push_vector(lower, LLVMBuildInsertElement(lower->builder, vector, lane, lower_i32(lower, op->lane), ""));
}

/* ---- bits ---- */

void lower_vector_not(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    lower_push(lower, LLVMBuildNot(lower->builder, lower_pop(lower), ""));
}

void lower_vector_andnot(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    LLVMValueRef b = LLVMBuildNot(lower->builder, lower_pop(lower), "");
    lower_push(lower, LLVMBuildAnd(lower->builder, lower_pop(lower), b, ""));
}

void lower_vector_bitselect(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    LLVMValueRef mask = lower_pop(lower), b = lower_pop(lower), a = lower_pop(lower);
    LLVMValueRef from_a = LLVMBuildAnd(lower->builder, a, mask, "");
    LLVMValueRef from_b = LLVMBuildAnd(lower->builder, b, LLVMBuildNot(lower->builder, mask, ""), "");
    lower_push(lower, LLVMBuildOr(lower->builder, from_a, from_b, ""));
}

void lower_vector_any_true(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    LLVMValueRef vector = lower_pop_lanes(lower, LANES_I64X2);
    LLVMTypeRef type = LLVMTypeOf(vector);
    LLVMValueRef all = lower_call_intrinsic(lower, "llvm.vector.reduce.or", &type, 1, &vector, 1);
    LLVMValueRef is_any = LLVMBuildICmp(lower->builder, LLVMIntNE, all, lower_i64(lower, 0), "");
    lower_push(lower, LLVMBuildZExt(lower->builder, is_any, lower->i32, ""));
}

void lower_vector_all_true(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef vector = lower_pop_lanes(lower, row->lanes);
    LLVMValueRef truths = LLVMBuildICmp(lower->builder, LLVMIntNE, vector, LLVMConstNull(LLVMTypeOf(vector)), "");
    LLVMTypeRef type = LLVMTypeOf(truths);
    LLVMValueRef all = lower_call_intrinsic(lower, "llvm.vector.reduce.and", &type, 1, &truths, 1);
    lower_push(lower, LLVMBuildZExt(lower->builder, all, lower->i32, ""));
}

void lower_vector_bitmask(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef vector = lower_pop_lanes(lower, row->lanes);
    LLVMValueRef signs = LLVMBuildICmp(lower->builder, LLVMIntSLT, vector, LLVMConstNull(LLVMTypeOf(vector)), "");
    LLVMTypeRef bits = LLVMIntTypeInContext(lower->context, lane_count(row->lanes));
    LLVMValueRef mask = LLVMBuildBitCast(lower->builder, signs, bits, "");
    lower_push(lower, LLVMBuildZExt(lower->builder, mask, lower->i32, ""));
}

/* ---- integers ---- */

void lower_vector_compare_integer(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef b = lower_pop_lanes(lower, row->lanes), a = lower_pop_lanes(lower, row->lanes);
    LLVMValueRef truths = LLVMBuildICmp(lower->builder, (LLVMIntPredicate)row->kind, a, b, "");
    lower_push_vector(lower, LLVMBuildSExt(lower->builder, truths, LLVMTypeOf(a), ""));
}

void lower_vector_binary(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef b = lower_pop_lanes(lower, row->lanes), a = lower_pop_lanes(lower, row->lanes);
    if (row->kind == LLVMFSub && LLVMIsConstant(b)) /* x - 0 is folded */
        b = lower_hide(lower, b);
    lower_push_vector(lower, LLVMBuildBinOp(lower->builder, (LLVMOpcode)row->kind, a, b, ""));
}

/* Operations of two vectors that LLVM has an intrinsic for. */
void lower_vector_intrinsic2(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef b = lower_pop_lanes(lower, row->lanes), a = lower_pop_lanes(lower, row->lanes);
    lower_push_vector(lower, binary_intrinsic(lower, row->intrinsic, a, b));
}

/* The same for one vector. */
void lower_vector_intrinsic1(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef a = lower_pop_lanes(lower, row->lanes);
    LLVMTypeRef type = LLVMTypeOf(a);
    lower_push_vector(lower, lower_call_intrinsic(lower, row->intrinsic, &type, 1, &a, 1));
}

void lower_vector_abs(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef a = lower_pop_lanes(lower, row->lanes);
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMValueRef arguments[] = {a, LLVMConstInt(lower->i1, 0, false)};
    lower_push_vector(lower, lower_call_intrinsic(lower, "llvm.abs", &type, 1, arguments, 2));
}

void lower_vector_negate(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef a = lower_pop_lanes(lower, row->lanes);
    bool is_float = row->lanes >= LANES_F32X4;
    lower_push_vector(lower, is_float ? LLVMBuildFNeg(lower->builder, a, "") : LLVMBuildNeg(lower->builder, a, ""));
}

/* The count is a scalar, taken modulo the width of a lane. */
void lower_vector_shift(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMTypeRef lane = lane_type(lower, row->lanes);
    unsigned bits = LLVMGetIntTypeWidth(lane);
    LLVMValueRef count = LLVMBuildAnd(lower->builder, lower_pop(lower), lower_i32(lower, bits - 1), "");
    LLVMValueRef vector = lower_pop_lanes(lower, row->lanes);
    count = LLVMBuildIntCast2(lower->builder, count, lane, false, "");
    LLVMValueRef counts = lower_splat(lower, count, lane_count(row->lanes));
    lower_push_vector(lower, LLVMBuildBinOp(lower->builder, (LLVMOpcode)row->kind, vector, counts, ""));
}

/* (a + b + 1) / 2 without overflow. */
void lower_vector_average(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef b = lower_pop_lanes(lower, row->lanes), a = lower_pop_lanes(lower, row->lanes);
    LLVMTypeRef narrow = LLVMTypeOf(a);
    LLVMTypeRef wide = LLVMIntTypeInContext(lower->context, 2 * LLVMGetIntTypeWidth(LLVMGetElementType(narrow)));
    LLVMValueRef one = LLVMConstInt(wide, 1, false), ones[16];
    for (unsigned i = 0; i < lane_count(row->lanes); i++)
        ones[i] = one;
    LLVMValueRef ones_vector = LLVMConstVector(ones, lane_count(row->lanes));
    LLVMValueRef sum = LLVMBuildAdd(lower->builder, extend(lower, a, wide, false), extend(lower, b, wide, false), "");
    sum = LLVMBuildAdd(lower->builder, sum, ones_vector, "");
    sum = LLVMBuildLShr(lower->builder, sum, ones_vector, "");
    lower_push_vector(lower, LLVMBuildTrunc(lower->builder, sum, narrow, ""));
}

/* (a * b + 2^14) / 2^15, saturated: only -1 * -1 exceeds. */
void lower_vector_q15_multiply(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    LLVMValueRef b = lower_pop_lanes(lower, LANES_I16X8), a = lower_pop_lanes(lower, LANES_I16X8);
    LLVMValueRef words[3][8];
    for (unsigned i = 0; i < 8; i++)
        words[0][i] = lower_i32(lower, 1 << 14), words[1][i] = lower_i32(lower, 15),
        words[2][i] = lower_i32(lower, 32767);
    LLVMValueRef product =
        LLVMBuildMul(lower->builder, extend(lower, a, lower->i32, true), extend(lower, b, lower->i32, true), "");
    product = LLVMBuildAdd(lower->builder, product, LLVMConstVector(words[0], 8), "");
    product = LLVMBuildAShr(lower->builder, product, LLVMConstVector(words[1], 8), "");
    product = binary_intrinsic(lower, "llvm.smin", product, LLVMConstVector(words[2], 8));
    lower_push_vector(lower, LLVMBuildTrunc(lower->builder, product, LLVMTypeOf(a), ""));
}

/* ---- changing the width ---- */

/* The lower or the upper half of a vector's lanes, extended; row->kind: 1 = upper. */
static LLVMValueRef extend_half(struct lowering *lower, LLVMValueRef vector, const struct lowering_row *row)
{
    unsigned count = lane_count(row->lanes);
    LLVMValueRef half = pick(lower, vector, vector, row->kind ? count : 0, 1, count);
    return extend(lower, half, lane_type(lower, row->lanes), row->is_signed);
}

void lower_vector_extend(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    lower_push_vector(lower, extend_half(lower, lower_pop_lanes(lower, narrower(row->lanes)), row));
}

void lower_vector_extend_multiply(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef b = extend_half(lower, lower_pop_lanes(lower, narrower(row->lanes)), row);
    LLVMValueRef a = extend_half(lower, lower_pop_lanes(lower, narrower(row->lanes)), row);
    lower_push_vector(lower, LLVMBuildMul(lower->builder, a, b, ""));
}

/* The sums of neighbours, half as many. */
static LLVMValueRef add_pairs(struct lowering *lower, LLVMValueRef vector)
{
    unsigned count = LLVMGetVectorSize(LLVMTypeOf(vector)) / 2;
    return LLVMBuildAdd(lower->builder, pick(lower, vector, vector, 0, 2, count),
                        pick(lower, vector, vector, 1, 2, count), "");
}

void lower_vector_extend_add_pairs(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef vector = lower_pop_lanes(lower, narrower(row->lanes));
    lower_push_vector(lower, add_pairs(lower, extend(lower, vector, lane_type(lower, row->lanes), row->is_signed)));
}

void lower_vector_dot(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMTypeRef lane = lane_type(lower, row->lanes);
    LLVMValueRef b = extend(lower, lower_pop_lanes(lower, narrower(row->lanes)), lane, true);
    LLVMValueRef a = extend(lower, lower_pop_lanes(lower, narrower(row->lanes)), lane, true);
    lower_push_vector(lower, add_pairs(lower, LLVMBuildMul(lower->builder, a, b, "")));
}

/* Relaxed: the products of bytes in pairs of pairs, added to a third operand. */
void lower_vector_dot_add(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    LLVMValueRef sum = lower_pop_lanes(lower, LANES_I32X4);
    struct lowering_row dot = *row;
    dot.lanes = LANES_I16X8;
    lower_vector_dot(lower, op, &dot);
    LLVMValueRef products = extend(lower, lower_pop_lanes(lower, LANES_I16X8), lower->i32, true);
    lower_push_vector(lower, LLVMBuildAdd(lower->builder, add_pairs(lower, products), sum, ""));
}

/* Two vectors of twice the width, saturated; row->is_signed: to the signed range. */
void lower_vector_narrow(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    enum lanes wide = (enum lanes)(row->lanes + 1);
    unsigned count = lane_count(row->lanes), bits = LLVMGetIntTypeWidth(lane_type(lower, row->lanes));
    LLVMValueRef b = lower_pop_lanes(lower, wide), a = lower_pop_lanes(lower, wide);
    LLVMValueRef both = pick(lower, a, b, 0, 1, count), lowest[16], highest[16];
    for (unsigned i = 0; i < count; i++) {
        LLVMTypeRef lane = lane_type(lower, wide);
        lowest[i] = LLVMConstInt(lane, row->is_signed ? (uint64_t) - (1ll << (bits - 1)) : 0, true);
        highest[i] = LLVMConstInt(lane, row->is_signed ? (1ull << (bits - 1)) - 1 : (1ull << bits) - 1, false);
    }
    both = binary_intrinsic(lower, "llvm.smax", both, LLVMConstVector(lowest, count));
    both = binary_intrinsic(lower, "llvm.smin", both, LLVMConstVector(highest, count));
    lower_push_vector(lower, LLVMBuildTrunc(lower->builder, both, vector_type(lower, row->lanes), ""));
}

/* ---- floating point ---- */

void lower_vector_compare_float(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef b = lower_pop_lanes(lower, row->lanes), a = lower_pop_lanes(lower, row->lanes);
    LLVMValueRef truths = LLVMBuildFCmp(lower->builder, (LLVMRealPredicate)row->kind, a, b, "");
    enum lanes result = row->lanes == LANES_F32X4 ? LANES_I32X4 : LANES_I64X2;
    lower_push_vector(lower, LLVMBuildSExt(lower->builder, truths, vector_type(lower, result), ""));
}

void lower_vector_minmax(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef b = lower_pop_lanes(lower, row->lanes), a = lower_pop_lanes(lower, row->lanes);
    lower_push_vector(lower, lower_minmax(lower, row->intrinsic, a, b));
}

/* min: b < a ? b : a; max: a < b ? b : a. */
void lower_vector_pseudo_minmax(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef b = lower_pop_lanes(lower, row->lanes), a = lower_pop_lanes(lower, row->lanes);
    LLVMValueRef takes_b = row->kind ? LLVMBuildFCmp(lower->builder, LLVMRealOLT, a, b, "")
                                     : LLVMBuildFCmp(lower->builder, LLVMRealOLT, b, a, "");
    lower_push_vector(lower, LLVMBuildSelect(lower->builder, takes_b, b, a, ""));
}

/* Relaxed: a * b + c, or c - a * b when row->kind; fused where the baseline CPU can. */
void lower_vector_multiply_add(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef c = lower_pop_lanes(lower, row->lanes), b = lower_pop_lanes(lower, row->lanes);
    LLVMValueRef a = lower_pop_lanes(lower, row->lanes);
    LLVMTypeRef type = LLVMTypeOf(a);
    if (row->kind)
        a = LLVMBuildFNeg(lower->builder, a, "");
    LLVMValueRef result = lower->target == TARGET_ARM64
                              ? lower_call_intrinsic(lower, "llvm.fma", &type, 1, (LLVMValueRef[]){a, b, c}, 3)
                              : LLVMBuildFAdd(lower->builder, LLVMBuildFMul(lower->builder, a, b, ""), c, "");
    lower_push_vector(lower, result);
}

/* ---- conversions ---- */

/* Pads two lanes to four with zeroes. */
static LLVMValueRef pad(struct lowering *lower, LLVMValueRef two)
{
    return pick(lower, two, LLVMConstNull(LLVMTypeOf(two)), 0, 1, 4);
}

/* f32x4 from i32x4; row->kind is LLVM's cast. */
void lower_vector_convert(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef a = lower_pop_lanes(lower, LANES_I32X4);
    lower_push_vector(lower,
                      LLVMBuildCast(lower->builder, (LLVMOpcode)row->kind, a, vector_type(lower, LANES_F32X4), ""));
}

/* f64x2 from the low two lanes, which row->lanes names. */
void lower_vector_convert_low(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef a = lower_pop_lanes(lower, row->lanes);
    LLVMValueRef low = pick(lower, a, a, 0, 1, 2);
    lower_push_vector(lower,
                      LLVMBuildCast(lower->builder, (LLVMOpcode)row->kind, low, vector_type(lower, LANES_F64X2), ""));
}

void lower_vector_demote(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    LLVMValueRef a = lower_hide(lower, lower_pop_lanes(lower, LANES_F64X2));
    LLVMTypeRef narrow = LLVMVectorType(lower->f32, 2);
    lower_push_vector(lower, pad(lower, LLVMBuildFPTrunc(lower->builder, a, narrow, "")));
}

/* i32x4 from f32x4, or from f64x2 with zeroes above. */
void lower_vector_truncate(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef a = lower_pop_lanes(lower, row->lanes);
    LLVMTypeRef overloads[] = {LLVMVectorType(lower->i32, lane_count(row->lanes)), LLVMTypeOf(a)};
    const char *intrinsic = row->is_signed ? "llvm.fptosi.sat" : "llvm.fptoui.sat";
    LLVMValueRef result = lower_call_intrinsic(lower, intrinsic, overloads, 2, &a, 1);
    lower_push_vector(lower, row->lanes == LANES_F64X2 ? pad(lower, result) : result);
}
