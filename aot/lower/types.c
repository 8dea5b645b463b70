/* LLVM's types for WebAssembly's, and how generated symbols and functions are declared. */
#include <stdlib.h>
#include <string.h>

#include "lower/lower.h"
#include "memory.h"

void lower_types_open(struct lowering *lower)
{
    lower->i1 = LLVMInt1TypeInContext(lower->context);
    lower->i8 = LLVMInt8TypeInContext(lower->context);
    lower->i16 = LLVMInt16TypeInContext(lower->context);
    lower->i32 = LLVMInt32TypeInContext(lower->context);
    lower->i64 = LLVMInt64TypeInContext(lower->context);
    lower->f32 = LLVMFloatTypeInContext(lower->context);
    lower->f64 = LLVMDoubleTypeInContext(lower->context);
    lower->pointer = LLVMPointerTypeInContext(lower->context, 0);
    lower->nothing = LLVMVoidTypeInContext(lower->context);
}

LLVMTypeRef lower_value_type(const struct lowering *lower, struct value_type type)
{
    switch (type.kind) {
    case VALUE_I32:
        return lower->i32;
    case VALUE_I64:
        return lower->i64;
    case VALUE_F32:
        return lower->f32;
    case VALUE_F64:
        return lower->f64;
    case VALUE_V128:
        return LLVMVectorType(lower->i8, 16);
    default:
        return lower->pointer;
    }
}

/* Several results are one struct; LLVM returns small ones in registers. */
LLVMTypeRef lower_results_type(const struct lowering *lower, const struct function_type *type)
{
    if (type->result_count == 0)
        return lower->nothing;
    if (type->result_count == 1)
        return lower_value_type(lower, type->results[0]);
    LLVMTypeRef *members = allocate(type->result_count, sizeof *members);
    for (uint32_t i = 0; i < type->result_count; i++)
        members[i] = lower_value_type(lower, type->results[i]);
    LLVMTypeRef result = LLVMStructTypeInContext(lower->context, members, type->result_count, false);
    free(members);
    return result;
}

LLVMTypeRef lower_function_type(const struct lowering *lower, const struct function_type *type)
{
    LLVMTypeRef *parameters = allocate(type->parameter_count, sizeof *parameters);
    for (uint32_t i = 0; i < type->parameter_count; i++)
        parameters[i] = lower_value_type(lower, type->parameters[i]);
    LLVMTypeRef result = LLVMFunctionType(lower_results_type(lower, type), parameters, type->parameter_count, false);
    free(parameters);
    return result;
}

static void set_attribute(const struct lowering *lower, LLVMValueRef function, const char *name, const char *value)
{
    LLVMAttributeRef attribute =
        LLVMCreateStringAttribute(lower->context, name, (unsigned)strlen(name), value, (unsigned)strlen(value));
    LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, attribute);
}

void lower_function_flag(const struct lowering *lower, LLVMValueRef function, const char *name)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                            LLVMCreateEnumAttribute(lower->context, kind, 0));
}

/* Address 0 is memory; nothing unwinds unless lower_may_unwind says so; runaway recursion must meet the stack's guard
 * page, so calls stay calls and big frames are probed; frame pointers let the tracer walk the stack. */
void lower_function_attributes(const struct lowering *lower, LLVMValueRef function)
{
    lower_function_flag(lower, function, "null_pointer_is_valid");
    lower_function_flag(lower, function, "nounwind");
    set_attribute(lower, function, "disable-tail-calls", "true");
    set_attribute(lower, function, "frame-pointer", "all");
    set_attribute(lower, function, "tune-cpu", "generic"); /* not for the oldest CPU that has the instructions */
    set_attribute(lower, function, "probe-stack", "inline-asm");
    set_attribute(lower, function, "stack-probe-size", "4096");
}

static LLVMAttributeRef not_null(const struct lowering *lower)
{
    return LLVMCreateEnumAttribute(lower->context, LLVMGetEnumAttributeKindForName("nonnull", strlen("nonnull")), 0);
}

static bool is_never_null(struct value_type type)
{
    return type.kind == VALUE_REFERENCE && !type.nullable;
}

void lower_parameters_not_null(const struct lowering *lower, LLVMValueRef function, const struct function_type *type)
{
    for (uint32_t i = 0; i < type->parameter_count; i++)
        if (is_never_null(type->parameters[i]))
            LLVMAddAttributeAtIndex(function, 1 + i, not_null(lower));
}

void lower_result_not_null(const struct lowering *lower, LLVMValueRef call, const struct function_type *type)
{
    if (type->result_count == 1 && is_never_null(type->results[0]))
        LLVMAddCallSiteAttribute(call, LLVMAttributeReturnIndex, not_null(lower));
}

void lower_load_not_null(const struct lowering *lower, LLVMValueRef load, struct value_type type)
{
    if (is_never_null(type))
        LLVMSetMetadata(load, LLVMGetMDKindIDInContext(lower->context, "nonnull", strlen("nonnull")),
                        LLVMMDNodeInContext(lower->context, NULL, 0));
}

void lower_may_unwind(const struct lowering *lower, LLVMValueRef function)
{
    unsigned kind = LLVMGetEnumAttributeKindForName("nounwind", strlen("nounwind"));
    if (lower->program->has_exceptions)
        LLVMRemoveEnumAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, kind);
}

LLVMValueRef lower_i32(const struct lowering *lower, uint32_t value)
{
    return LLVMConstInt(lower->i32, value, false);
}

LLVMValueRef lower_i64(const struct lowering *lower, uint64_t value)
{
    return LLVMConstInt(lower->i64, value, false);
}

LLVMValueRef lower_external_function(struct lowering *lower, const char *name, LLVMTypeRef type)
{
    LLVMValueRef function = LLVMGetNamedFunction(lower->llvm, name);
    if (function)
        return function;
    function = LLVMAddFunction(lower->llvm, name, type);
    LLVMSetVisibility(function, LLVMHiddenVisibility);
    lower_function_attributes(lower, function);
    return function;
}

LLVMValueRef lower_external_global(struct lowering *lower, const char *name, LLVMTypeRef type)
{
    LLVMValueRef global = LLVMGetNamedGlobal(lower->llvm, name);
    if (global)
        return global;
    global = LLVMAddGlobal(lower->llvm, type, name);
    LLVMSetVisibility(global, LLVMHiddenVisibility);
    return global;
}
