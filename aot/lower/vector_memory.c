/* Loads and stores of vectors and lanes; memory.c says what an access is. */
#include "lower/vector.h"

static LLVMTypeRef integer_of_width(const struct lowering *lower, unsigned log2_bytes)
{
    return LLVMIntTypeInContext(lower->context, 8u << log2_bytes);
}

/* All 16 bytes. */
void lower_vector_load(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    lower_push(lower, lower_access_load(lower, op, LLVMVectorType(lower->i8, 16)));
}

void lower_vector_store(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMValueRef value = lower_pop(lower);
    lower_access_store(lower, op, value);
}

/* Eight bytes as lanes of row->kind bits, each extended to twice its width. */
void lower_vector_load_extend(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    unsigned bits = (unsigned)row->kind, count = 64 / bits;
    LLVMTypeRef narrow = LLVMVectorType(LLVMIntTypeInContext(lower->context, bits), count);
    LLVMTypeRef wide = LLVMVectorType(LLVMIntTypeInContext(lower->context, 2 * bits), count);
    LLVMValueRef value = lower_access_load(lower, op, narrow);
    vector_push(lower, row->is_signed ? LLVMBuildSExt(lower->builder, value, wide, "")
                                      : LLVMBuildZExt(lower->builder, value, wide, ""));
}

/* One scalar into all lanes. */
void lower_vector_load_splat(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    unsigned width = opcode_table[op->code].width;
    LLVMValueRef value = lower_access_load(lower, op, integer_of_width(lower, width));
    vector_push(lower, vector_splat(lower, value, 16u >> width));
}

static LLVMTypeRef lanes_of_width(const struct lowering *lower, unsigned width)
{
    return LLVMVectorType(integer_of_width(lower, width), 16u >> width);
}

/* One scalar into the lowest lane, zeroes above. Eight bytes are loaded as a double, which spares x86-64 the way
 * through a general register; for four bytes that would be longer. */
void lower_vector_load_zero(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    enum lanes lanes = opcode_table[op->code].width == 2 ? LANES_I32X4 : LANES_F64X2;
    LLVMValueRef value = lower_access_load(lower, op, vector_lane_type(lower, lanes));
    LLVMValueRef zero = LLVMConstNull(vector_type(lower, lanes));
    vector_push(lower, LLVMBuildInsertElement(lower->builder, zero, value, lower_i32(lower, 0), ""));
}

static LLVMValueRef pop_lanes_of_width(struct lowering *lower, unsigned width)
{
    return LLVMBuildBitCast(lower->builder, lower_pop(lower), lanes_of_width(lower, width), "");
}

void lower_vector_load_lane(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    unsigned width = opcode_table[op->code].width;
    LLVMValueRef vector = pop_lanes_of_width(lower, width);
    LLVMValueRef value = lower_access_load(lower, op, integer_of_width(lower, width));
    vector_push(lower, LLVMBuildInsertElement(lower->builder, vector, value, lower_i32(lower, op->lane), ""));
}

void lower_vector_store_lane(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMValueRef vector = pop_lanes_of_width(lower, opcode_table[op->code].width);
    lower_access_store(lower, op, LLVMBuildExtractElement(lower->builder, vector, lower_i32(lower, op->lane), ""));
}
