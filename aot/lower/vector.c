/* Vectors: constants, moving lanes, bits, and what the other vector files share. */
#include "lower/vector.h"

#include <stdio.h>
#include <string.h>

/* ---- shared ---- */

LLVMTypeRef vector_lane_type(const struct lowering *lower, enum lanes lanes)
{
    const LLVMTypeRef types[] = {[LANES_I8X16] = lower->i8,  [LANES_I16X8] = lower->i16, [LANES_I32X4] = lower->i32,
                                 [LANES_I64X2] = lower->i64, [LANES_F32X4] = lower->f32, [LANES_F64X2] = lower->f64};
    return types[lanes];
}

unsigned vector_lane_count(enum lanes lanes)
{
    static const unsigned counts[] = {[LANES_I8X16] = 16, [LANES_I16X8] = 8, [LANES_I32X4] = 4,
                                      [LANES_I64X2] = 2,  [LANES_F32X4] = 4, [LANES_F64X2] = 2};
    return counts[lanes];
}

LLVMTypeRef vector_type(const struct lowering *lower, enum lanes lanes)
{
    return LLVMVectorType(vector_lane_type(lower, lanes), vector_lane_count(lanes));
}

enum lanes vector_narrower(enum lanes lanes)
{
    return lanes == LANES_F64X2 ? LANES_F32X4 : (enum lanes)(lanes - 1);
}

LLVMValueRef vector_view(struct lowering *lower, LLVMValueRef vector, enum lanes lanes)
{
    return LLVMBuildBitCast(lower->builder, vector, vector_type(lower, lanes), "");
}

LLVMValueRef vector_pop(struct lowering *lower, enum lanes lanes)
{
    return vector_view(lower, lower_pop(lower), lanes);
}

void vector_push(struct lowering *lower, LLVMValueRef vector)
{
    lower_push(lower, vector_view(lower, vector, LANES_I8X16));
}

LLVMValueRef vector_constant(const struct lowering *lower, enum lanes lanes, uint64_t value)
{
    LLVMValueRef values[16];
    for (unsigned i = 0; i < vector_lane_count(lanes); i++)
        values[i] = LLVMConstInt(vector_lane_type(lower, lanes), value, false);
    return LLVMConstVector(values, vector_lane_count(lanes));
}

LLVMValueRef vector_splat(struct lowering *lower, LLVMValueRef scalar, unsigned count)
{
    LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(scalar), count);
    LLVMValueRef mask = LLVMConstNull(LLVMVectorType(lower->i32, count));
    LLVMValueRef one = LLVMBuildInsertElement(lower->builder, LLVMGetPoison(type), scalar, lower_i32(lower, 0), "");
    return LLVMBuildShuffleVector(lower->builder, one, LLVMGetPoison(type), mask, "");
}

LLVMValueRef vector_pick(struct lowering *lower, LLVMValueRef a, LLVMValueRef b, unsigned first, unsigned step,
                         unsigned count)
{
    LLVMValueRef indices[32];
    for (unsigned i = 0; i < count; i++)
        indices[i] = lower_i32(lower, first + i * step);
    return LLVMBuildShuffleVector(lower->builder, a, b, LLVMConstVector(indices, count), "");
}

LLVMValueRef vector_extend(struct lowering *lower, LLVMValueRef vector, LLVMTypeRef lane, bool is_signed)
{
    LLVMTypeRef type = LLVMVectorType(lane, LLVMGetVectorSize(LLVMTypeOf(vector)));
    return is_signed ? LLVMBuildSExt(lower->builder, vector, type, "")
                     : LLVMBuildZExt(lower->builder, vector, type, "");
}

LLVMValueRef vector_mask(struct lowering *lower, LLVMValueRef truths, enum lanes lanes)
{
    return LLVMBuildSExt(lower->builder, truths, vector_type(lower, lanes), "");
}

LLVMValueRef vector_unary(struct lowering *lower, const char *intrinsic, LLVMValueRef a)
{
    LLVMTypeRef type = LLVMTypeOf(a);
    return lower_call_intrinsic(lower, intrinsic, &type, 1, &a, 1);
}

LLVMValueRef vector_binary(struct lowering *lower, const char *intrinsic, LLVMValueRef a, LLVMValueRef b)
{
    LLVMTypeRef type = LLVMTypeOf(a);
    return lower_call_intrinsic(lower, intrinsic, &type, 1, (LLVMValueRef[]){a, b}, 2);
}

LLVMValueRef vector_native1(struct lowering *lower, const char *intrinsic, LLVMValueRef a)
{
    return lower_call_intrinsic(lower, intrinsic, NULL, 0, &a, 1);
}

LLVMValueRef vector_native2(struct lowering *lower, const char *intrinsic, LLVMValueRef a, LLVMValueRef b)
{
    return lower_call_intrinsic(lower, intrinsic, NULL, 0, (LLVMValueRef[]){a, b}, 2);
}

LLVMValueRef vector_native_cast(struct lowering *lower, const char *intrinsic, LLVMTypeRef to, LLVMValueRef a)
{
    LLVMTypeRef overloads[] = {to, LLVMTypeOf(a)};
    return lower_call_intrinsic(lower, intrinsic, overloads, 2, &a, 1);
}

/* ---- constants ---- */

static LLVMValueRef constant_of_bytes(const struct lowering *lower, const uint8_t bytes[16])
{
    LLVMValueRef lanes[16];
    for (unsigned i = 0; i < 16; i++)
        lanes[i] = LLVMConstInt(lower->i8, bytes[i], false);
    return LLVMConstVector(lanes, 16);
}

/* One read-only global for each value, which the optimiser takes for something that another party fills in. */
static LLVMValueRef hidden_constant(struct lowering *lower, const uint8_t bytes[16])
{
    char name[] = "vector$00112233445566778899aabbccddeeff";
    for (unsigned i = 0; i < 16; i++)
        snprintf(name + 7 + 2 * i, 3, "%02x", bytes[i]);
    LLVMValueRef global = LLVMGetNamedGlobal(lower->llvm, name);
    if (!global) {
        global = LLVMAddGlobal(lower->llvm, vector_type(lower, LANES_I8X16), name);
        LLVMSetInitializer(global, constant_of_bytes(lower, bytes));
        LLVMSetLinkage(global, LLVMPrivateLinkage);
        LLVMSetGlobalConstant(global, true);
        LLVMSetExternallyInitialized(global, true);
        LLVMSetAlignment(global, 16);
    }
    return LLVMBuildLoad2(lower->builder, vector_type(lower, LANES_I8X16), global, "");
}

/* Whether a lane of either width is one of these floats. One lane is enough: LLVM may find that the others are not
 * used. */
static bool has_lane(const uint8_t bytes[16], const uint64_t *values, unsigned count, bool is_double)
{
    uint32_t narrow[4];
    uint64_t wide[2];
    memcpy(narrow, bytes, 16);
    memcpy(wide, bytes, 16);
    for (unsigned lane = 0; lane < (is_double ? 2 : 4); lane++)
        for (unsigned i = 0; i < count; i++)
            if ((is_double ? wide[lane] : narrow[lane]) == values[i])
                return true;
    return false;
}

/* LLVM folds arithmetic with -0, 1 and -1. These are no common integers, so such constants are always hidden. */
static bool has_folded_lane(const uint8_t bytes[16])
{
    static const uint64_t singles[] = {0x80000000, 0x3f800000, 0xbf800000};
    static const uint64_t doubles[] = {0x8000000000000000, 0x3ff0000000000000, 0xbff0000000000000};
    return has_lane(bytes, singles, 3, false) || has_lane(bytes, doubles, 3, true);
}

/* It also folds x - 0 and |x| + 0. Integer code needs its zeroes visible, so they are hidden only in a function where
 * one of the two can happen. */
static bool folds_zero(struct lowering *lower)
{
    if (lower->vector_zero != VECTOR_ZERO_UNKNOWN)
        return lower->vector_zero == VECTOR_ZERO_HIDDEN;
    struct operator_reader reader;
    struct operation op;
    struct module_error error;
    bool subtracts = false, adds = false, has_abs = false;
    operator_reader_open_body(&reader, lower->module, lower->function);
    while (!operator_reader_at_end(&reader) && operator_read(&reader, &op, &error)) {
        subtracts |= op.code == OP_F32X4_SUB || op.code == OP_F64X2_SUB;
        adds |= op.code == OP_F32X4_ADD || op.code == OP_F64X2_ADD;
        has_abs |= op.code == OP_F32X4_ABS || op.code == OP_F64X2_ABS;
    }
    operator_reader_close(&reader);
    lower->vector_zero = subtracts || (adds && has_abs) ? VECTOR_ZERO_HIDDEN : VECTOR_ZERO_VISIBLE;
    return lower->vector_zero == VECTOR_ZERO_HIDDEN;
}

static LLVMValueRef constant(struct lowering *lower, const uint8_t bytes[16])
{
    static const uint64_t zero[] = {0};
    bool is_hidden = has_folded_lane(bytes) || (has_lane(bytes, zero, 1, false) && folds_zero(lower));
    return is_hidden ? hidden_constant(lower, bytes) : constant_of_bytes(lower, bytes);
}

LLVMValueRef lower_vector_zero(struct lowering *lower)
{
    return constant(lower, (const uint8_t[16]){0});
}

void lower_vector_const(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    lower_push(lower, constant(lower, op->vector));
}

/* ---- moving lanes ---- */

void lower_vector_shuffle(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMValueRef b = lower_pop(lower), a = lower_pop(lower), indices[16];
    for (unsigned i = 0; i < 16; i++)
        indices[i] = lower_i32(lower, op->vector[i]);
    lower_push(lower, LLVMBuildShuffleVector(lower->builder, a, b, LLVMConstVector(indices, 16), ""));
}

/* Lanes that an index beyond 15 selects are 0. That is arm64's table look-up; x86-64's shuffle wants the top bit set
 * for it, which a saturating addition does. */
void lower_vector_swizzle(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    LLVMValueRef indices = lower_pop(lower), bytes = lower_pop(lower);
    if (lower->target == TARGET_ARM64) {
        lower_push(lower, vector_binary(lower, "llvm.aarch64.neon.tbl1", bytes, indices));
        return;
    }
    indices = vector_binary(lower, "llvm.uadd.sat", indices, vector_constant(lower, LANES_I8X16, 0x70));
    lower_push(lower, vector_native2(lower, "llvm.x86.ssse3.pshuf.b.128", bytes, indices));
}

static bool is_narrow_integer(enum lanes lanes)
{
    return lanes == LANES_I8X16 || lanes == LANES_I16X8;
}

void lower_vector_splat(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef scalar = lower_pop(lower);
    if (is_narrow_integer(row->lanes))
        scalar = LLVMBuildTrunc(lower->builder, scalar, vector_lane_type(lower, row->lanes), "");
    vector_push(lower, vector_splat(lower, scalar, vector_lane_count(row->lanes)));
}

void lower_vector_extract(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    LLVMValueRef vector = vector_pop(lower, row->lanes);
    LLVMValueRef lane = LLVMBuildExtractElement(lower->builder, vector, lower_i32(lower, op->lane), "");
    if (is_narrow_integer(row->lanes))
        lane = row->is_signed ? LLVMBuildSExt(lower->builder, lane, lower->i32, "")
                              : LLVMBuildZExt(lower->builder, lane, lower->i32, "");
    lower_push(lower, lane);
}

void lower_vector_replace(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    LLVMValueRef lane = lower_pop(lower), vector = vector_pop(lower, row->lanes);
    if (is_narrow_integer(row->lanes))
        lane = LLVMBuildTrunc(lower->builder, lane, vector_lane_type(lower, row->lanes), "");
    vector_push(lower, LLVMBuildInsertElement(lower->builder, vector, lane, lower_i32(lower, op->lane), ""));
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

static void push_truth(struct lowering *lower, LLVMValueRef truth)
{
    lower_push(lower, LLVMBuildZExt(lower->builder, truth, lower->i32, ""));
}

/* arm64: the greater of neighbouring words leaves half the bits to look at. */
void lower_vector_any_true(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    LLVMValueRef bits, vector = vector_pop(lower, LANES_I32X4);
    if (lower->target == TARGET_ARM64) {
        vector = vector_view(lower, vector_binary(lower, "llvm.aarch64.neon.umaxp", vector, vector), LANES_I64X2);
        bits = LLVMBuildExtractElement(lower->builder, vector, lower_i32(lower, 0), "");
    } else {
        bits = vector_unary(lower, "llvm.vector.reduce.or", vector_view(lower, vector, LANES_I64X2));
    }
    push_truth(lower, LLVMBuildICmp(lower->builder, LLVMIntNE, bits, LLVMConstNull(lower->i64), ""));
}

/* x86-64 tests whether no lane is zero; arm64 whether the least one is not. */
void lower_vector_all_true(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef vector = vector_pop(lower, row->lanes), zero = LLVMConstNull(LLVMTypeOf(vector));
    if (lower->target == TARGET_ARM64 && row->lanes != LANES_I64X2) {
        LLVMValueRef least = vector_unary(lower, "llvm.vector.reduce.umin", vector);
        push_truth(lower, LLVMBuildICmp(lower->builder, LLVMIntNE, least, LLVMConstNull(LLVMTypeOf(least)), ""));
        return;
    }
    LLVMValueRef is_zero = vector_mask(lower, LLVMBuildICmp(lower->builder, LLVMIntEQ, vector, zero, ""), row->lanes);
    is_zero = vector_view(lower, is_zero, LANES_I64X2);
    if (lower->target == TARGET_X86_64) {
        lower_push(lower, vector_native2(lower, "llvm.x86.sse41.ptestz", is_zero, is_zero));
        return;
    }
    LLVMValueRef any = vector_unary(lower, "llvm.vector.reduce.or", is_zero);
    push_truth(lower, LLVMBuildICmp(lower->builder, LLVMIntEQ, any, LLVMConstNull(lower->i64), ""));
}

void lower_vector_bitmask(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef vector = vector_pop(lower, row->lanes);
    LLVMValueRef signs = LLVMBuildICmp(lower->builder, LLVMIntSLT, vector, LLVMConstNull(LLVMTypeOf(vector)), "");
    LLVMTypeRef bits = LLVMIntTypeInContext(lower->context, vector_lane_count(row->lanes));
    push_truth(lower, LLVMBuildBitCast(lower->builder, signs, bits, ""));
}
