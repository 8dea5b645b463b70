/* Linear memory.
 *
 * The first memory lies at virtual address 0, so a zero-extended i32 address is the native address and
 * an access is one instruction: what lies beyond the memory's size is not mapped, and the fault is the
 * trap. For LLVM the memory is an external object of 8 GiB and more, so that it knows what an access
 * cannot touch; lower_place_memories puts the constant address in its place once that has served.
 * Accesses are volatile: an unused load is a trap not to be lost, and what memory holds after a trap
 * is defined. */
#include "lower/lower.h"

static LLVMTypeRef integer_of_width(const struct lowering *lower, unsigned log2_bytes)
{
    return LLVMIntTypeInContext(lower->context, 8u << log2_bytes);
}

static LLVMValueRef byte_at(struct lowering *lower, const struct lowered_memory *memory, LLVMValueRef index)
{
    LLVMValueRef wide = LLVMBuildZExt(lower->builder, index, lower->i64, "");
    return LLVMBuildInBoundsGEP2(lower->builder, lower->i8, memory->bytes, &wide, 1, "");
}

/* Pops the index and adds the operator's offset: at most 2^33 - 2, within the region and its guard. */
static LLVMValueRef pop_address(struct lowering *lower, const struct operation *op)
{
    LLVMValueRef address = byte_at(lower, &lower->memories[op->memory.memory], lower_pop(lower));
    LLVMValueRef offset = lower_i64(lower, op->memory.offset);
    return op->memory.offset ? LLVMBuildInBoundsGEP2(lower->builder, lower->i8, address, &offset, 1, "") : address;
}

LLVMValueRef lower_access_load(struct lowering *lower, const struct operation *op, LLVMTypeRef type)
{
    LLVMValueRef value = LLVMBuildLoad2(lower->builder, type, pop_address(lower, op), "");
    LLVMSetVolatile(value, true);
    LLVMSetAlignment(value, 1);
    return value;
}

void lower_access_store(struct lowering *lower, const struct operation *op, LLVMValueRef value)
{
    LLVMValueRef store = LLVMBuildStore(lower->builder, value, pop_address(lower, op));
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

static LLVMValueRef memory_pages(struct lowering *lower, const struct lowered_memory *memory)
{
    return LLVMBuildLoad2(lower->builder, lower->i64, memory->pages, "");
}

void lower_memory_size(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMValueRef pages = memory_pages(lower, &lower->memories[op->memory.memory]);
    lower_push(lower, LLVMBuildTrunc(lower->builder, pages, lower->i32, ""));
}

/* int32_t wasm_memory_grow(uint32_t delta, uint64_t maximum) for the first memory,
 * int32_t wasm_region_grow(uint32_t delta, uint64_t maximum, uint64_t *pages, uint64_t base) for others. */
void lower_memory_grow(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    const struct lowered_memory *memory = &lower->memories[op->memory.memory];
    bool is_first = memory->is_first;
    LLVMTypeRef types[] = {lower->i32, lower->i64, lower->pointer, lower->i64};
    LLVMTypeRef type = LLVMFunctionType(lower->i32, types, is_first ? 2 : 4, false);
    LLVMValueRef function = lower_external_function(lower, is_first ? "wasm_memory_grow" : "wasm_region_grow", type);
    LLVMValueRef arguments[] = {lower_pop(lower), lower_i64(lower, memory->maximum_pages), memory->pages,
                                lower_i64(lower, memory->base)};
    lower_push(lower, lower_call(lower, type, function, arguments, is_first ? 2 : 4));
}

/* Bulk operations check first and then cannot fail: nothing is written when anything is out of bounds. */
static void trap_unless_within(struct lowering *lower, LLVMValueRef start, LLVMValueRef count, LLVMValueRef size)
{
    LLVMValueRef end = LLVMBuildNUWAdd(lower->builder, LLVMBuildZExt(lower->builder, start, lower->i64, ""),
                                       LLVMBuildZExt(lower->builder, count, lower->i64, ""), "");
    lower_trap_if(lower, LLVMBuildICmp(lower->builder, LLVMIntUGT, end, size, ""), TRAP_MEMORY_OUT_OF_BOUNDS);
}

static LLVMValueRef memory_size_bytes(struct lowering *lower, const struct lowered_memory *memory)
{
    return LLVMBuildShl(lower->builder, memory_pages(lower, memory), lower_i64(lower, 16), "");
}

static void move_bytes(struct lowering *lower, const char *intrinsic, LLVMValueRef to, LLVMValueRef from,
                       LLVMValueRef count)
{
    LLVMTypeRef overloads[] = {lower->pointer, lower->pointer, lower->i64};
    LLVMValueRef arguments[] = {to, from, LLVMBuildZExt(lower->builder, count, lower->i64, ""),
                                LLVMConstInt(lower->i1, 1, false)};
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
    LLVMTypeRef overloads[] = {lower->pointer, lower->i64};
    LLVMValueRef arguments[] = {
        byte_at(lower, memory, destination), LLVMBuildTrunc(lower->builder, value, lower->i8, ""),
        LLVMBuildZExt(lower->builder, count, lower->i64, ""), LLVMConstInt(lower->i1, 1, false)};
    lower_call_intrinsic(lower, "llvm.memset", overloads, 2, arguments, 4);
}

void lower_memory_init(struct lowering *lower, const struct lowered_memory *memory,
                       const struct lowered_segment *segment, LLVMValueRef to, LLVMValueRef from, LLVMValueRef count)
{
    LLVMValueRef length = LLVMBuildLoad2(lower->builder, lower->i32, segment->length, "");
    trap_unless_within(lower, from, count, LLVMBuildZExt(lower->builder, length, lower->i64, ""));
    trap_unless_within(lower, to, count, memory_size_bytes(lower, memory));
    LLVMValueRef wide = LLVMBuildZExt(lower->builder, from, lower->i64, "");
    LLVMValueRef source = LLVMBuildGEP2(lower->builder, lower->i8, segment->bytes, &wide, 1, "");
    move_bytes(lower, "llvm.memcpy", byte_at(lower, memory, to), source, count);
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
