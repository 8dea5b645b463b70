/* Traps are one instruction that carries its kind (image.h says how), reached by a branch out of the
 * straight line. They are never merged, so that the address tells which operator trapped. */
#include "lower/lower.h"

void lower_trap(struct lowering *lower, enum trap_kind kind)
{
    LLVMValueRef number = LLVMConstInt(lower->i8, kind, false);
    LLVMValueRef call = lower_call_intrinsic(lower, "llvm.ubsantrap", NULL, 0, &number, 1);
    lower_set_call_attribute(lower, call, "nomerge");
    lower_set_call_attribute(lower, call, "noreturn");
    LLVMBuildUnreachable(lower->builder);
}

void lower_trap_if(struct lowering *lower, LLVMValueRef condition, enum trap_kind kind)
{
    LLVMBasicBlockRef trap = lower_block_append(lower, "trap");
    LLVMBasicBlockRef go_on = lower_block_append(lower, "");
    LLVMBuildCondBr(lower->builder, condition, trap, go_on);
    LLVMPositionBuilderAtEnd(lower->builder, trap);
    lower_trap(lower, kind);
    LLVMPositionBuilderAtEnd(lower->builder, go_on);
}
