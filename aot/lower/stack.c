/* The value stack and the small things that every handler uses. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lower/lower.h"

void lower_push(struct lowering *lower, LLVMValueRef value)
{
    lower->values[lower->value_count++] = value;
}

LLVMValueRef lower_pop(struct lowering *lower)
{
    return lower->values[--lower->value_count];
}

/* What branches and calls carry is in no proportion to the bytes that say so: a branch of two bytes may carry a
 * thousand values. In code that a compiler made it is less than one for each byte. */
#define CARRIED_VALUES_FREE     1000000u
#define CARRIED_VALUES_PER_BYTE 8u

void lower_carry(struct lowering *lower, uint32_t count)
{
    lower->carried_count += count;
    if (lower->carried_count <= CARRIED_VALUES_FREE + CARRIED_VALUES_PER_BYTE * lower->body_bytes ||
        lower->error->result != MODULE_OK)
        return;
    *lower->error = (struct module_error){.result = MODULE_UNSUPPORTED,
                                          .offset = lower->module->functions[lower->function].body.offset,
                                          .function = lower->function};
    snprintf(lower->error->message, sizeof lower->error->message,
             "branches and calls carry too many values: %" PRIu64 " in %" PRIu64 " bytes of code", lower->carried_count,
             lower->body_bytes);
}

/* An index of either width as i64. */
LLVMValueRef lower_widen(struct lowering *lower, LLVMValueRef index)
{
    return LLVMTypeOf(index) == lower->i64 ? index : LLVMBuildZExt(lower->builder, index, lower->i64, "");
}

LLVMBasicBlockRef lower_block_append(struct lowering *lower, const char *name)
{
    return LLVMAppendBasicBlockInContext(lower->context, lower->llvm_function, name);
}

LLVMValueRef lower_call_intrinsic(struct lowering *lower, const char *name, LLVMTypeRef *overloads, uint32_t count,
                                  LLVMValueRef *arguments, uint32_t argument_count)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef function = LLVMGetIntrinsicDeclaration(lower->llvm, id, overloads, count);
    LLVMTypeRef type = LLVMIntrinsicGetType(lower->context, id, overloads, count);
    return LLVMBuildCall2(lower->builder, type, function, arguments, argument_count, "");
}

/* Never a tail call: recursion without end must overflow the stack. */
LLVMValueRef lower_call(struct lowering *lower, LLVMTypeRef type, LLVMValueRef callee, LLVMValueRef *arguments,
                        uint32_t count)
{
    LLVMValueRef call = LLVMBuildCall2(lower->builder, type, callee, arguments, count, "");
    LLVMSetTailCallKind(call, LLVMTailCallKindNoTail);
    lower->call_count++;
    return call;
}

/* CallingConv::Tail of LLVM's CallingConv.h, which the C API does not name. */
#define TAIL_CALL_CONVENTION 18

void lower_set_convention(const struct lowering *lower, LLVMValueRef function)
{
    if (lower->program->has_tail_calls)
        LLVMSetFunctionCallConv(function, TAIL_CALL_CONVENTION);
}

LLVMValueRef lower_call_wasm(struct lowering *lower, LLVMTypeRef type, LLVMValueRef callee, LLVMValueRef *arguments,
                             uint32_t count)
{
    LLVMValueRef call = lower_call(lower, type, callee, arguments, count);
    if (lower->program->has_tail_calls)
        LLVMSetInstructionCallConv(call, TAIL_CALL_CONVENTION);
    return call;
}

LLVMValueRef lower_invoke_wasm(struct lowering *lower, LLVMTypeRef type, LLVMValueRef callee, LLVMValueRef *arguments,
                               uint32_t count, LLVMBasicBlockRef unwind)
{
    LLVMBasicBlockRef go_on = lower_block_append(lower, "");
    LLVMValueRef call = LLVMBuildInvoke2(lower->builder, type, callee, arguments, count, go_on, unwind, "");
    if (lower->program->has_tail_calls)
        LLVMSetInstructionCallConv(call, TAIL_CALL_CONVENTION);
    LLVMPositionBuilderAtEnd(lower->builder, go_on);
    return call;
}

void lower_set_call_attribute(struct lowering *lower, LLVMValueRef call, const char *name)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddCallSiteAttribute(call, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                             LLVMCreateEnumAttribute(lower->context, kind, 0));
}
