/* Atomic operators: LLVM's, sequentially consistent. An address that is not a multiple of the access's width is a trap,
 * and so is one beyond the memory as for any access. Waiting and notifying are the runtime's. */
#include <string.h>

#include "lower/lower.h"

static unsigned access_bytes(const struct operation *op)
{
    return 1u << opcode_table[op->code].width;
}

static LLVMTypeRef access_type(const struct lowering *lower, const struct operation *op)
{
    return LLVMIntTypeInContext(lower->context, 8 * access_bytes(op));
}

/* Pops the index; traps unless index and offset make a multiple of the width. */
static LLVMValueRef pop_aligned_address(struct lowering *lower, const struct operation *op)
{
    uint64_t mask = access_bytes(op) - 1;
    if (mask > 0) {
        LLVMValueRef index = lower->values[lower->value_count - 1];
        LLVMTypeRef type = LLVMTypeOf(index);
        LLVMValueRef offset = LLVMConstInt(type, op->memory.offset & mask, false);
        LLVMValueRef rest = LLVMBuildAnd(lower->builder, LLVMBuildAdd(lower->builder, index, offset, ""),
                                         LLVMConstInt(type, mask, false), "");
        LLVMValueRef is_odd = LLVMBuildICmp(lower->builder, LLVMIntNE, rest, LLVMConstNull(type), "");
        lower_trap_if(lower, is_odd, TRAP_UNALIGNED_ATOMIC);
    }
    return lower_access_address(lower, op);
}

static LLVMValueRef build_load(struct lowering *lower, const struct operation *op, LLVMValueRef address)
{
    LLVMValueRef value = LLVMBuildLoad2(lower->builder, access_type(lower, op), address, "");
    LLVMSetVolatile(value, true);
    LLVMSetAlignment(value, access_bytes(op));
    LLVMSetOrdering(value, LLVMAtomicOrderingSequentiallyConsistent);
    return value;
}

/* What was in memory, as the operator's result: the last letter of its signature. */
static void push_old(struct lowering *lower, const struct operation *op, LLVMValueRef value)
{
    const char *signature = opcode_table[op->code].signature;
    LLVMTypeRef type = signature[strlen(signature) - 1] == 'I' ? lower->i64 : lower->i32;
    lower_push(lower, LLVMBuildZExt(lower->builder, value, type, ""));
}

static LLVMValueRef pop_value(struct lowering *lower, const struct operation *op)
{
    return LLVMBuildTrunc(lower->builder, lower_pop(lower), access_type(lower, op), "");
}

void lower_atomic_load(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    push_old(lower, op, build_load(lower, op, pop_aligned_address(lower, op)));
}

void lower_atomic_store(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMValueRef value = pop_value(lower, op);
    LLVMValueRef store = LLVMBuildStore(lower->builder, value, pop_aligned_address(lower, op));
    LLVMSetVolatile(store, true);
    LLVMSetAlignment(store, access_bytes(op));
    LLVMSetOrdering(store, LLVMAtomicOrderingSequentiallyConsistent);
}

void lower_atomic_modify(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    LLVMValueRef value = pop_value(lower, op), address = pop_aligned_address(lower, op);
    LLVMValueRef old = LLVMBuildAtomicRMW(lower->builder, (LLVMAtomicRMWBinOp)row->kind, address, value,
                                          LLVMAtomicOrderingSequentiallyConsistent, false);
    LLVMSetVolatile(old, true);
    push_old(lower, op, old);
}

void lower_atomic_exchange(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMValueRef value = pop_value(lower, op), expected = pop_value(lower, op);
    LLVMValueRef address = pop_aligned_address(lower, op);
    LLVMValueRef pair =
        LLVMBuildAtomicCmpXchg(lower->builder, address, expected, value, LLVMAtomicOrderingSequentiallyConsistent,
                               LLVMAtomicOrderingSequentiallyConsistent, false);
    LLVMSetVolatile(pair, true);
    push_old(lower, op, LLVMBuildExtractValue(lower->builder, pair, 0, ""));
}

void lower_atomic_fence(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    LLVMBuildFence(lower->builder, LLVMAtomicOrderingSequentiallyConsistent, false, "");
}

/* ---- waiting ---- */

/* uint32_t wasm_notify(const void *address, uint32_t count): how many were woken. Nobody can wait on a memory that is
 * not shared. */
void lower_atomic_notify(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMValueRef count = lower_pop(lower), address = pop_aligned_address(lower, op);
    build_load(lower, op, address); /* traps if there is no such place */
    if (!lower->memories[op->memory.memory].is_shared) {
        lower_push(lower, lower_i32(lower, 0));
        return;
    }
    LLVMTypeRef types[] = {lower->pointer, lower->i32};
    LLVMTypeRef type = LLVMFunctionType(lower->i32, types, 2, false);
    LLVMValueRef arguments[] = {address, count};
    lower_push(lower, lower_call(lower, type, lower_external_function(lower, "wasm_notify", type), arguments, 2));
}

/* uint32_t wasm_wait(const void *address, uint64_t expected, int64_t timeout_ns, uint32_t bytes): 0 woken, 1 the value
 * is another, 2 the time is over. */
void lower_atomic_wait(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMValueRef timeout = lower_pop(lower), expected = lower_widen(lower, lower_pop(lower));
    LLVMValueRef address = pop_aligned_address(lower, op);
    build_load(lower, op, address); /* traps if there is no such place */
    LLVMValueRef is_unshared = LLVMConstInt(lower->i1, !lower->memories[op->memory.memory].is_shared, false);
    lower_trap_if(lower, is_unshared, TRAP_EXPECTED_SHARED_MEMORY);
    LLVMTypeRef types[] = {lower->pointer, lower->i64, lower->i64, lower->i32};
    LLVMTypeRef type = LLVMFunctionType(lower->i32, types, 4, false);
    LLVMValueRef arguments[] = {address, expected, timeout, lower_i32(lower, access_bytes(op))};
    lower_push(lower, lower_call(lower, type, lower_external_function(lower, "wasm_wait", type), arguments, 4));
}
