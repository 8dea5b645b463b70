/* Linear memory.
 *
 * The first memory lies at virtual address 0, so a zero-extended i32 address is the native address and
 * an access is one instruction: what lies beyond the memory's size is not mapped, and the fault is the
 * trap. For LLVM the memory is an external object of 8 GiB and more, so that it knows what an access
 * cannot touch; lower_place_memories puts the constant address in its place once that has served.
 * Accesses are volatile: an unused load is a trap not to be lost, and what memory holds after a trap
 * is defined. */
#include <stdio.h>

#include "lower/lower.h"

static LLVMTypeRef integer_of_width(const struct lowering *lower, unsigned log2_bytes)
{
    return LLVMIntTypeInContext(lower->context, 8u << log2_bytes);
}

static LLVMValueRef byte_at(struct lowering *lower, const struct lowered_memory *memory, LLVMValueRef index)
{
    LLVMValueRef wide = lower_widen(lower, index);
    return LLVMBuildInBoundsGEP2(lower->builder, lower->i8, memory->bytes, &wide, 1, "");
}

static LLVMValueRef memory_pages(struct lowering *lower, const struct lowered_memory *memory)
{
    LLVMValueRef pages = LLVMBuildLoad2(lower->builder, lower->i64, memory->pages, "");
    if (memory->is_shared) { /* another thread may grow it */
        LLVMSetAlignment(pages, 8);
        LLVMSetOrdering(pages, LLVMAtomicOrderingMonotonic);
    }
    return pages;
}

static LLVMValueRef memory_size_bytes(struct lowering *lower, const struct lowered_memory *memory)
{
    return LLVMBuildShl(lower->builder, memory_pages(lower, memory), lower_i64(lower, 16), "");
}

/* A 64-bit index reaches beyond any guard: the access must end within the memory's size. */
static void check_index64(struct lowering *lower, const struct lowered_memory *memory, LLVMValueRef index,
                          uint64_t offset, uint64_t bytes)
{
    if (offset > UINT64_MAX - bytes) {
        lower_trap_if(lower, LLVMConstInt(lower->i1, 1, false), TRAP_MEMORY_OUT_OF_BOUNDS);
        return;
    }
    LLVMValueRef size = memory_size_bytes(lower, memory), needed = lower_i64(lower, offset + bytes);
    LLVMValueRef is_small = LLVMBuildICmp(lower->builder, LLVMIntULT, size, needed, "");
    LLVMValueRef last = LLVMBuildSub(lower->builder, size, needed, "");
    LLVMValueRef is_beyond = LLVMBuildICmp(lower->builder, LLVMIntUGT, index, last, "");
    lower_trap_if(lower, LLVMBuildOr(lower->builder, is_small, is_beyond, ""), TRAP_MEMORY_OUT_OF_BOUNDS);
}

/* Pops the index and adds the operator's offset: of a 32-bit index at most 2^33 - 2, within the region and its guard.
 */
LLVMValueRef lower_access_address(struct lowering *lower, const struct operation *op)
{
    const struct lowered_memory *memory = &lower->memories[op->memory.memory];
    LLVMValueRef index = lower_pop(lower);
    if (memory->is_64)
        check_index64(lower, memory, index, op->memory.offset, 1ull << opcode_table[op->code].width);
    LLVMValueRef address = byte_at(lower, memory, index);
    LLVMValueRef offset = lower_i64(lower, op->memory.offset);
    return op->memory.offset ? LLVMBuildInBoundsGEP2(lower->builder, lower->i8, address, &offset, 1, "") : address;
}

LLVMValueRef lower_access_load(struct lowering *lower, const struct operation *op, LLVMTypeRef type)
{
    LLVMValueRef value = LLVMBuildLoad2(lower->builder, type, lower_access_address(lower, op), "");
    LLVMSetVolatile(value, true);
    LLVMSetAlignment(value, 1);
    return value;
}

void lower_access_store(struct lowering *lower, const struct operation *op, LLVMValueRef value)
{
    LLVMValueRef store = LLVMBuildStore(lower->builder, value, lower_access_address(lower, op));
    LLVMSetVolatile(store, true);
    LLVMSetAlignment(store, 1);
}

static LLVMTypeRef type_of_letter(const struct lowering *lower, char letter)
{
    return letter == 'i' ? lower->i32 : letter == 'I' ? lower->i64 : letter == 'f' ? lower->f32 : lower->f64;
}

/* Signature "a:r"; when fewer bytes are loaded than r has, the row says how they are extended. */
void lower_load(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    const struct opcode_info *info = &opcode_table[op->code];
    LLVMTypeRef result = type_of_letter(lower, info->signature[2]);
    bool is_integer = result == lower->i32 || result == lower->i64;
    LLVMTypeRef type = is_integer ? integer_of_width(lower, info->width) : result;
    LLVMValueRef value = lower_access_load(lower, op, type);
    if (type != result)
        value = row->is_signed ? LLVMBuildSExt(lower->builder, value, result, "")
                               : LLVMBuildZExt(lower->builder, value, result, "");
    lower_push(lower, value);
}

/* Signature "av:". */
void lower_store(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    const struct opcode_info *info = &opcode_table[op->code];
    LLVMValueRef value = lower_pop(lower);
    if (LLVMGetTypeKind(LLVMTypeOf(value)) == LLVMIntegerTypeKind)
        value = LLVMBuildTrunc(lower->builder, value, integer_of_width(lower, info->width), "");
    lower_access_store(lower, op, value);
}

/* A size as the memory's index type. */
static LLVMValueRef as_index(struct lowering *lower, const struct lowered_memory *memory, LLVMValueRef wide)
{
    return memory->is_64 ? wide : LLVMBuildTrunc(lower->builder, wide, lower->i32, "");
}

void lower_memory_size(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    const struct lowered_memory *memory = &lower->memories[op->memory.memory];
    lower_push(lower, as_index(lower, memory, memory_pages(lower, memory)));
}

/* int64_t wasm_memory_grow(uint64_t delta, uint64_t maximum) for the first memory,
 * int64_t wasm_region_grow(uint64_t delta, uint64_t maximum, uint64_t *pages, uint64_t base) for others,
 * wasm_shared_grow with the same arguments for any that is shared. */
void lower_memory_grow(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    const struct lowered_memory *memory = &lower->memories[op->memory.memory];
    const char *name = memory->is_shared  ? "wasm_shared_grow"
                       : memory->is_first ? "wasm_memory_grow"
                                          : "wasm_region_grow";
    unsigned count = memory->is_first && !memory->is_shared ? 2 : 4;
    LLVMTypeRef types[] = {lower->i64, lower->i64, lower->pointer, lower->i64};
    LLVMTypeRef type = LLVMFunctionType(lower->i64, types, count, false);
    LLVMValueRef function = lower_external_function(lower, name, type);
    LLVMValueRef arguments[] = {lower_widen(lower, lower_pop(lower)), lower_i64(lower, memory->maximum_pages),
                                memory->pages, lower_i64(lower, memory->base)};
    lower_push(lower, as_index(lower, memory, lower_call(lower, type, function, arguments, count)));
}

/* Bulk operations check first and then cannot fail: nothing is written when anything is out of bounds. */
static void trap_unless_within(struct lowering *lower, LLVMValueRef start, LLVMValueRef count, LLVMValueRef size)
{
    bool may_wrap = LLVMTypeOf(start) == lower->i64 || LLVMTypeOf(count) == lower->i64;
    LLVMValueRef from = lower_widen(lower, start);
    LLVMValueRef end = LLVMBuildAdd(lower->builder, from, lower_widen(lower, count), "");
    LLVMValueRef is_beyond = LLVMBuildICmp(lower->builder, LLVMIntUGT, end, size, "");
    if (may_wrap)
        is_beyond =
            LLVMBuildOr(lower->builder, is_beyond, LLVMBuildICmp(lower->builder, LLVMIntULT, end, from, ""), "");
    lower_trap_if(lower, is_beyond, TRAP_MEMORY_OUT_OF_BOUNDS);
}

/* Without optimisation it is a call at once: the fast instruction selector does not know how to make it one. */
static void call_bytes(struct lowering *lower, const char *name, LLVMValueRef to, LLVMValueRef value,
                       LLVMValueRef count)
{
    LLVMTypeRef types[] = {lower->pointer, LLVMTypeOf(value), lower->i64};
    LLVMTypeRef type = LLVMFunctionType(lower->pointer, types, 3, false);
    LLVMValueRef arguments[] = {to, value, lower_widen(lower, count)};
    lower_call(lower, type, lower_external_function(lower, name, type), arguments, 3);
}

static void move_bytes(struct lowering *lower, const char *intrinsic, LLVMValueRef to, LLVMValueRef from,
                       LLVMValueRef count)
{
    if (!lower->program->is_optimised) {
        call_bytes(lower, "memmove", to, from, count); /* in the place of memcpy, too, which it does not call, either */
        return;
    }
    LLVMTypeRef overloads[] = {lower->pointer, lower->pointer, lower->i64};
    LLVMValueRef arguments[] = {to, from, lower_widen(lower, count), LLVMConstInt(lower->i1, 1, false)};
    lower_call_intrinsic(lower, intrinsic, overloads, 3, arguments, 4);
}

void lower_memory_copy(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    const struct lowered_memory *to = &lower->memories[op->memory.memory], *from = &lower->memories[op->index2];
    LLVMValueRef count = lower_pop(lower), source = lower_pop(lower), destination = lower_pop(lower);
    trap_unless_within(lower, source, count, memory_size_bytes(lower, from));
    trap_unless_within(lower, destination, count, memory_size_bytes(lower, to));
    move_bytes(lower, "llvm.memmove", byte_at(lower, to, destination), byte_at(lower, from, source), count);
}

void lower_memory_fill(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    const struct lowered_memory *memory = &lower->memories[op->memory.memory];
    LLVMValueRef count = lower_pop(lower), value = lower_pop(lower), destination = lower_pop(lower);
    trap_unless_within(lower, destination, count, memory_size_bytes(lower, memory));
    if (!lower->program->is_optimised) {
        call_bytes(lower, "memset", byte_at(lower, memory, destination), value, count);
        return;
    }
    LLVMTypeRef overloads[] = {lower->pointer, lower->i64};
    LLVMValueRef arguments[] = {byte_at(lower, memory, destination),
                                LLVMBuildTrunc(lower->builder, value, lower->i8, ""), lower_widen(lower, count),
                                LLVMConstInt(lower->i1, 1, false)};
    lower_call_intrinsic(lower, "llvm.memset", overloads, 2, arguments, 4);
}

static void init_memory(struct lowering *lower, const struct lowered_memory *memory,
                        const struct lowered_segment *segment, LLVMValueRef to, LLVMValueRef from, LLVMValueRef count)
{
    LLVMValueRef length = LLVMBuildLoad2(lower->builder, lower->i32, segment->length, "");
    trap_unless_within(lower, from, count, LLVMBuildZExt(lower->builder, length, lower->i64, ""));
    trap_unless_within(lower, to, count, memory_size_bytes(lower, memory));
    LLVMValueRef wide = lower_widen(lower, from);
    LLVMValueRef source = LLVMBuildGEP2(lower->builder, lower->i8, segment->bytes, &wide, 1, "");
    move_bytes(lower, "llvm.memcpy", byte_at(lower, memory, to), source, count);
}

static void build_init(struct lowering *lower, const void *what)
{
    LLVMValueRef length = lower_pop(lower), bytes = lower_pop(lower);
    LLVMValueRef count = lower_pop(lower), from = lower_pop(lower), to = lower_pop(lower);
    init_memory(lower, what, &(struct lowered_segment){bytes, length}, to, from, count);
}

/* Without optimisation by a helper: a program may have hundreds of segments. */
void lower_memory_init(struct lowering *lower, const struct lowered_memory *memory,
                       const struct lowered_segment *segment, LLVMValueRef to, LLVMValueRef from, LLVMValueRef count)
{
    char name[64];
    LLVMValueRef arguments[] = {to, from, count, segment->bytes, segment->length};
    if (lower->program->is_optimised) {
        init_memory(lower, memory, segment, to, from, count);
        return;
    }
    snprintf(name, sizeof name, IMAGE_HELPER_PREFIX "memory.init.%u", (unsigned)(memory - lower->memories));
    lower_call_helper(lower, name, lower->nothing, arguments, 5, build_init, memory);
}

void lower_memory_init_operator(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMValueRef count = lower_pop(lower), from = lower_pop(lower), to = lower_pop(lower);
    lower_memory_init(lower, &lower->memories[op->memory.memory], &lower->data[op->index], to, from, count);
}

void lower_data_drop(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMBuildStore(lower->builder, lower_i32(lower, 0), lower->data[op->index].length);
}
