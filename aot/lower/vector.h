/* What the files of vector operators share.
 *
 * A v128 on the value stack is <16 x i8>. Each row says as which lanes an operator sees its operands; a handler views
 * them so (vector_pop), computes, and pushes the bits of what comes out (vector_push). Views cost nothing.
 *
 * LLVM finds the right instruction for most operators by itself. Where it does not, a handler names the target's own
 * (docs/aot.md, "SIMD", has the list). Both targets compute the same bits, relaxed operators included, except for the
 * sign and the payload of NaNs. */
#ifndef TESSERA_AOT_LOWER_VECTOR_H
#define TESSERA_AOT_LOWER_VECTOR_H

#include "lower/lower.h"

/* ---- vector.c ---- */

LLVMTypeRef vector_lane_type(const struct lowering *lower, enum lanes lanes);
unsigned vector_lane_count(enum lanes lanes);
LLVMTypeRef vector_type(const struct lowering *lower, enum lanes lanes);

/* The lanes of half the width, twice as many. */
enum lanes vector_narrower(enum lanes lanes);

LLVMValueRef vector_pop(struct lowering *lower, enum lanes lanes);
void vector_push(struct lowering *lower, LLVMValueRef vector);

/* The same bits as other lanes. */
LLVMValueRef vector_view(struct lowering *lower, LLVMValueRef vector, enum lanes lanes);

/* A constant vector whose lanes are all `value`. */
LLVMValueRef vector_constant(const struct lowering *lower, enum lanes lanes, uint64_t value);

LLVMValueRef vector_splat(struct lowering *lower, LLVMValueRef scalar, unsigned count);

/* `count` lanes of `a` and of `b` after it, from `first` in steps of `step`. */
LLVMValueRef vector_pick(struct lowering *lower, LLVMValueRef a, LLVMValueRef b, unsigned first, unsigned step,
                         unsigned count);

/* Each lane made wider: `lane` is the new lane type. */
LLVMValueRef vector_extend(struct lowering *lower, LLVMValueRef vector, LLVMTypeRef lane, bool is_signed);

/* Truth values (i1) as lanes of all ones or zero. */
LLVMValueRef vector_mask(struct lowering *lower, LLVMValueRef truths, enum lanes lanes);

/* Calls of intrinsics: overloaded by the operands' type, and the target's own without overloads. */
LLVMValueRef vector_unary(struct lowering *lower, const char *intrinsic, LLVMValueRef a);
LLVMValueRef vector_binary(struct lowering *lower, const char *intrinsic, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef vector_native1(struct lowering *lower, const char *intrinsic, LLVMValueRef a);
LLVMValueRef vector_native2(struct lowering *lower, const char *intrinsic, LLVMValueRef a, LLVMValueRef b);

/* The target's own, overloaded by the result's type and the operand's. */
LLVMValueRef vector_native_cast(struct lowering *lower, const char *intrinsic, LLVMTypeRef to, LLVMValueRef a);

#endif
