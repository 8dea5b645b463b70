/* Calls. A function's address is its reference; four bytes before its code stands the number of its type, which an
 * indirect call compares with the type it was compiled for. */
#include <string.h>

#include "lower/lower.h"

/* What is called, and how. */
struct callee {
    const struct function_type *type;
    LLVMTypeRef llvm_type;
    LLVMValueRef function;
    bool is_native;
    bool is_self; /* the function that calls, or a copy of it */
};

/* Native functions that know about threads, or do not come back. */
static bool is_called_freely(LLVMValueRef function)
{
    static const char *const names[] = {THREAD_SPAWN_SYMBOL, "__imported_wasi_snapshot_preview1_proc_exit",
                                        "__imported_wasi_snapshot_preview1_sched_yield"};
    size_t length;
    const char *name = LLVMGetValueName2(function, &length);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void call_runtime(struct lowering *lower, const char *name)
{
    LLVMTypeRef type = LLVMFunctionType(lower->nothing, NULL, 0, false);
    lower_call(lower, type, lower_external_function(lower, name, type), NULL, 0);
}

static void set_native_memory(struct lowering *lower, uint64_t base, LLVMValueRef pages)
{
    LLVMValueRef base_variable = lower_external_global(lower, "wasm_native_base", lower->i64);
    LLVMValueRef pages_variable = lower_external_global(lower, "wasm_native_pages", lower->pointer);
    LLVMBuildStore(lower->builder, lower_i64(lower, base), base_variable);
    LLVMBuildStore(lower->builder, pages, pages_variable);
}

/* Native functions take addresses for those of the program's first memory, unless they are told. */
static LLVMValueRef call_with_own_memory(struct lowering *lower, LLVMTypeRef type, LLVMValueRef callee,
                                         LLVMValueRef *arguments, uint32_t count)
{
    set_native_memory(lower, lower->memories[0].base, lower->memories[0].pages);
    LLVMValueRef result = lower_call(lower, type, callee, arguments, count);
    set_native_memory(lower, 0, lower_external_global(lower, "wasm_memory_pages", lower->i64));
    return result;
}

LLVMValueRef lower_call_native(struct lowering *lower, LLVMTypeRef type, LLVMValueRef callee, LLVMValueRef *arguments,
                               uint32_t count)
{
    if (lower->module->memory_count > 0 && !lower->memories[0].is_first)
        return call_with_own_memory(lower, type, callee, arguments, count);
    if (!lower->program->has_threads || is_called_freely(callee))
        return lower_call(lower, type, callee, arguments, count);
    call_runtime(lower, "wasm_native_enter");
    LLVMValueRef result = lower_call(lower, type, callee, arguments, count);
    call_runtime(lower, "wasm_native_leave");
    return result;
}

/* Pops the arguments and calls; what the callee throws goes to `unwind`, or out of this function when that is NULL. */
static LLVMValueRef build_call(struct lowering *lower, const struct callee *callee, LLVMBasicBlockRef unwind)
{
    uint32_t count = callee->type->parameter_count;
    lower_carry(lower, count + callee->type->result_count);
    lower->value_count -= count;
    LLVMValueRef *arguments = lower->values + lower->value_count;
    if (callee->is_native)
        return lower_call_native(lower, callee->llvm_type, callee->function, arguments, count);
    LLVMValueRef result = unwind
                              ? lower_invoke_wasm(lower, callee->llvm_type, callee->function, arguments, count, unwind)
                              : lower_call_wasm(lower, callee->llvm_type, callee->function, arguments, count);
    if (callee->is_self && lower->is_recursion_ended)
        lower_set_call_attribute(lower, result, "noinline");
    lower_result_not_null(lower, result, callee->type);
    return result;
}

static void push_results(struct lowering *lower, const struct function_type *type, LLVMValueRef result)
{
    if (type->result_count == 1)
        lower_push(lower, result);
    for (uint32_t i = 0; i < type->result_count && type->result_count > 1; i++)
        lower_push(lower, LLVMBuildExtractValue(lower->builder, result, i, ""));
}

static void call(struct lowering *lower, const struct callee *callee)
{
    push_results(lower, callee->type, build_call(lower, callee, lower_unwind_target(lower)));
}

/* More results than this may go through memory of the caller's, which is gone after a tail call. */
#define TAIL_CALL_RESULTS 2

/* Calls and returns what comes back; the frame is gone before. A native function's frame is there once, and then
 * nothing is lost by an ordinary call. */
static void call_and_return(struct lowering *lower, const struct callee *callee)
{
    bool is_tail = !callee->is_native && callee->type->result_count <= TAIL_CALL_RESULTS;
    LLVMValueRef result = build_call(lower, callee, NULL);
    if (is_tail)
        LLVMSetTailCallKind(result, LLVMTailCallKindMustTail);
    if (callee->type->result_count == 0)
        LLVMBuildRetVoid(lower->builder);
    else
        LLVMBuildRet(lower->builder, result);
    lower->is_reachable = false;
}

static struct callee direct_callee(struct lowering *lower, uint32_t index)
{
    const struct lowered_function *function = lower_called_function(lower, index);
    return (struct callee){module_function_type(lower->module, index), function->type, function->value,
                           function->is_native, false};
}

void lower_call_direct(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    struct callee callee = direct_callee(lower, op->index);
    callee.is_self = op->index == lower->function;
    if (callee.is_self)
        callee.function = lower->self;
    call(lower, &callee);
}

void lower_return_call(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    struct callee callee = direct_callee(lower, op->index);
    call_and_return(lower, &callee);
}

/* The type number of a function that is not null. It never changes, which LLVM may know: a loop checks once. */
static LLVMValueRef function_type_number(struct lowering *lower, LLVMValueRef function)
{
    LLVMValueRef before = LLVMConstInt(lower->i64, (uint64_t)-4, true);
    LLVMValueRef place = LLVMBuildGEP2(lower->builder, lower->i8, function, &before, 1, "");
    LLVMValueRef number = LLVMBuildLoad2(lower->builder, lower->i32, place, "");
    LLVMSetAlignment(number, 4);
    LLVMValueRef nothing = LLVMMDNodeInContext(lower->context, NULL, 0);
    LLVMSetMetadata(number, LLVMGetMDKindIDInContext(lower->context, "invariant.load", strlen("invariant.load")),
                    nothing);
    return number;
}

/* Pops the index, pushes the function, and traps unless one of the type is there. */
static void check_function(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    const struct lowered_table *table = &lower->tables[op->index2];
    LLVMValueRef function = lower_table_entry(lower, table, lower_pop(lower), TRAP_UNDEFINED_ELEMENT);
    lower_trap_if(lower, LLVMBuildIsNull(lower->builder, function, ""), TRAP_UNINITIALIZED_ELEMENT);
    LLVMValueRef number = lower_i32(lower, lower->instance->type_numbers[op->index]);
    LLVMValueRef is_other = LLVMBuildICmp(lower->builder, LLVMIntNE, function_type_number(lower, function), number, "");
    lower_trap_if(lower, is_other, TRAP_INDIRECT_CALL_TYPE_MISMATCH);
    lower_push(lower, function);
}

static struct callee indirect_callee(struct lowering *lower, const struct operation *op)
{
    if (lower_has_helper(lower, op))
        lower_push(lower, lower_helped_operator(lower, op, check_function));
    else
        check_function(lower, op, NULL);
    LLVMValueRef function = lower_pop(lower);
    const struct function_type *type = &lower->module->types[op->index];
    return (struct callee){type, lower_function_type(lower, type), function, false, false};
}

void lower_call_indirect(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    struct callee callee = indirect_callee(lower, op);
    call(lower, &callee);
}

void lower_return_call_indirect(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    struct callee callee = indirect_callee(lower, op);
    call_and_return(lower, &callee);
}

/* Pops a typed reference: validation has seen to the type, but not to null. */
static struct callee reference_callee(struct lowering *lower, const struct operation *op)
{
    LLVMValueRef function = lower_pop(lower);
    lower_trap_if(lower, LLVMBuildIsNull(lower->builder, function, ""), TRAP_NULL_REFERENCE);
    const struct function_type *type = &lower->module->types[op->index];
    return (struct callee){type, lower_function_type(lower, type), function, false, false};
}

void lower_call_reference(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    struct callee callee = reference_callee(lower, op);
    call(lower, &callee);
}

void lower_return_call_reference(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    struct callee callee = reference_callee(lower, op);
    call_and_return(lower, &callee);
}
