/* Floating point.
 *
 * WebAssembly asks that arithmetic turns a signalling NaN into a quiet one. LLVM does not count that
 * as an effect: it folds x * 1.0, x / 1.0, x - 0.0 and x + -0.0 to x, and turns -0.0 - x and x * -1.0 into a sign
 * flip. So the four constants that such folds need are not visible to LLVM: they are loaded from
 * read-only memory of the runtime (wasm_float_constants, wasm_double_constants), which costs what any
 * other floating-point constant costs. */
#include <stdio.h>
#include <string.h>

#include "lower/lower.h"

static LLVMValueRef visible_constant(struct lowering *lower, uint64_t bits, bool is_double)
{
    LLVMValueRef integer = is_double ? lower_i64(lower, bits) : lower_i32(lower, (uint32_t)bits);
    return LLVMConstBitCast(integer, is_double ? lower->f64 : lower->f32);
}

/* The position of a constant in the runtime's arrays {0.0, -0.0, 1.0, -1.0}, or -1. */
static int hidden_position(uint64_t bits, bool is_double)
{
    static const uint64_t singles[] = {0, 0x80000000, 0x3f800000, 0xbf800000};
    static const uint64_t doubles[] = {0, 0x8000000000000000, 0x3ff0000000000000, 0xbff0000000000000};
    const uint64_t *hidden = is_double ? doubles : singles;
    for (int i = 0; i < 4; i++)
        if (hidden[i] == bits)
            return i;
    return -1;
}

LLVMValueRef lower_float_constant(struct lowering *lower, uint64_t bits, bool is_double)
{
    int position = hidden_position(bits, is_double);
    if (position < 0)
        return visible_constant(lower, bits, is_double);
    LLVMTypeRef type = is_double ? lower->f64 : lower->f32;
    LLVMValueRef array = lower_external_global(lower, is_double ? "wasm_double_constants" : "wasm_float_constants",
                                               LLVMArrayType2(type, 4));
    LLVMSetGlobalConstant(array, true);
    LLVMValueRef index = lower_i32(lower, (uint32_t)position);
    LLVMValueRef place = LLVMConstInBoundsGEP2(type, array, &index, 1);
    return LLVMBuildLoad2(lower->builder, type, place, "");
}

/* An empty piece of assembly: LLVM does not know the value that comes out of it. */
LLVMValueRef lower_hide(struct lowering *lower, LLVMValueRef value)
{
    const char *constraints = lower->target == TARGET_ARM64 ? "=w,0" : "=x,0";
    LLVMTypeRef type = LLVMTypeOf(value), function = LLVMFunctionType(type, &type, 1, false);
    LLVMValueRef code = LLVMGetInlineAsm(function, "", 0, constraints, strlen(constraints), false, false,
                                         LLVMInlineAsmDialectATT, false);
    return LLVMBuildCall2(lower->builder, function, code, &value, 1, "");
}

void lower_const_float(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    lower_push(lower, lower_float_constant(lower, op->constant, row->kind == 64));
}

void lower_float_unary(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef value = lower_pop(lower);
    LLVMTypeRef type = LLVMTypeOf(value);
    lower_push(lower, lower_call_intrinsic(lower, row->intrinsic, &type, 1, &value, 1));
}

void lower_float_negate(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    lower_push(lower, LLVMBuildFNeg(lower->builder, lower_pop(lower), ""));
}

void lower_float_copysign(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef sign = lower_pop(lower), value = lower_pop(lower);
    LLVMTypeRef type = LLVMTypeOf(value);
    LLVMValueRef arguments[] = {value, sign};
    lower_push(lower, lower_call_intrinsic(lower, row->intrinsic, &type, 1, arguments, 2));
}

/* arm64 has exactly WebAssembly's minimum and maximum; LLVM must not fold it as it folds its intrinsic. */
static LLVMValueRef minmax_arm64(struct lowering *lower, const char *instruction, LLVMTypeRef type,
                                 LLVMValueRef *operands)
{
    char text[64];
    const char *scalar = type == lower->f64 ? "d" : "s", *lanes = "";
    if (LLVMGetTypeKind(type) == LLVMVectorTypeKind) {
        scalar = "v";
        lanes = LLVMGetVectorSize(type) == 2 ? ".2d" : ".4s";
    }
    int length = scalar[0] == 'v'
                     ? snprintf(text, sizeof text, "%s $0%s, $1%s, $2%s", instruction, lanes, lanes, lanes)
                     : snprintf(text, sizeof text, "%s ${0:%s}, ${1:%s}, ${2:%s}", instruction, scalar, scalar, scalar);
    LLVMTypeRef types[] = {type, type};
    LLVMTypeRef function = LLVMFunctionType(type, types, 2, false);
    LLVMValueRef code = LLVMGetInlineAsm(function, text, (size_t)length, "=w,w,w", strlen("=w,w,w"), false, false,
                                         LLVMInlineAsmDialectATT, false);
    return LLVMBuildCall2(lower->builder, function, code, operands, 2, "");
}

/* Elsewhere: when an operand is a NaN the sum is the quiet NaN that is wanted, else LLVM's intrinsic
 * orders zeroes as WebAssembly does. */
static LLVMValueRef minmax_generic(struct lowering *lower, const char *intrinsic, LLVMTypeRef type,
                                   LLVMValueRef *operands)
{
    LLVMValueRef is_nan = LLVMBuildFCmp(lower->builder, LLVMRealUNO, operands[0], operands[1], "");
    LLVMValueRef sum = LLVMBuildFAdd(lower->builder, operands[0], operands[1], "");
    LLVMValueRef extreme = lower_call_intrinsic(lower, intrinsic, &type, 1, operands, 2);
    LLVMSetFastMathFlags(extreme, LLVMFastMathNoNaNs);
    return LLVMBuildSelect(lower->builder, is_nan, sum, extreme, "");
}

LLVMValueRef lower_minmax(struct lowering *lower, const char *intrinsic, LLVMValueRef left, LLVMValueRef right)
{
    LLVMValueRef operands[] = {left, right};
    LLVMTypeRef type = LLVMTypeOf(left);
    bool is_minimum = strcmp(intrinsic, "llvm.minimum") == 0;
    return lower->target == TARGET_ARM64 ? minmax_arm64(lower, is_minimum ? "fmin" : "fmax", type, operands)
                                         : minmax_generic(lower, intrinsic, type, operands);
}

void lower_float_minmax(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    LLVMValueRef right = lower_pop(lower), left = lower_pop(lower);
    lower_push(lower, lower_minmax(lower, row->intrinsic, left, right));
}
