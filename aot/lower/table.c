/* Tables: arrays of references in the program's data, with room to grow where a table may. The bulk
 * operations are the runtime's; they say whether they were within bounds. */
#include "lower/lower.h"

static LLVMValueRef table_size(struct lowering *lower, const struct lowered_table *table)
{
    return lower_widen(lower, LLVMBuildLoad2(lower->builder, lower->i32, table->size, ""));
}

/* Traps unless index < size, and yields the entry's address. */
static LLVMValueRef checked_entry(struct lowering *lower, const struct lowered_table *table, LLVMValueRef index,
                                  enum trap_kind kind)
{
    LLVMValueRef wide = lower_widen(lower, index);
    LLVMValueRef is_beyond = LLVMBuildICmp(lower->builder, LLVMIntUGE, wide, table_size(lower, table), "");
    lower_trap_if(lower, is_beyond, kind);
    /* A constant that is always beyond: no relocation could express the address that nobody reads. */
    if (LLVMIsAConstantInt(wide) && LLVMConstIntGetZExtValue(wide) >= table->capacity)
        wide = lower_i64(lower, 0);
    return LLVMBuildInBoundsGEP2(lower->builder, lower->pointer, table->entries, &wide, 1, "");
}

LLVMValueRef lower_table_entry(struct lowering *lower, const struct lowered_table *table, LLVMValueRef index,
                               enum trap_kind kind)
{
    LLVMValueRef entry = checked_entry(lower, table, index, kind);
    return LLVMBuildLoad2(lower->builder, lower->pointer, entry, "");
}

void lower_table_get(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMValueRef index = lower_pop(lower);
    LLVMValueRef entry = lower_table_entry(lower, &lower->tables[op->index], index, TRAP_TABLE_OUT_OF_BOUNDS);
    lower_load_not_null(lower, entry, lower->module->tables[op->index].type);
    lower_push(lower, entry);
}

void lower_table_set(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMValueRef value = lower_pop(lower), index = lower_pop(lower);
    LLVMValueRef entry = checked_entry(lower, &lower->tables[op->index], index, TRAP_TABLE_OUT_OF_BOUNDS);
    LLVMBuildStore(lower->builder, value, entry);
}

/* A size as the table's index type. */
static LLVMValueRef as_index(struct lowering *lower, const struct lowered_table *table, LLVMValueRef wide)
{
    return table->is_64 ? wide : LLVMBuildTrunc(lower->builder, wide, lower->i32, "");
}

void lower_table_size(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    const struct lowered_table *table = &lower->tables[op->index];
    lower_push(lower, as_index(lower, table, table_size(lower, table)));
}

/* int64_t wasm_table_grow(void **entries, uint32_t *size, uint64_t capacity, void *value, uint64_t delta) */
void lower_table_grow(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    const struct lowered_table *table = &lower->tables[op->index];
    LLVMTypeRef types[] = {lower->pointer, lower->pointer, lower->i64, lower->pointer, lower->i64};
    LLVMTypeRef type = LLVMFunctionType(lower->i64, types, 5, false);
    LLVMValueRef delta = lower_widen(lower, lower_pop(lower)), value = lower_pop(lower);
    LLVMValueRef arguments[] = {table->entries, table->size, lower_i64(lower, table->capacity), value, delta};
    LLVMValueRef result =
        lower_call(lower, type, lower_external_function(lower, "wasm_table_grow", type), arguments, 5);
    lower_push(lower, as_index(lower, table, result));
}

/* Calls a bulk operation of the runtime, uint32_t f(pointers and uint64s), and traps when it yields 0. */
static void call_bulk(struct lowering *lower, const char *name, LLVMValueRef *arguments, unsigned count)
{
    LLVMTypeRef types[8];
    for (unsigned i = 0; i < count; i++) {
        if (LLVMTypeOf(arguments[i]) == lower->i32)
            arguments[i] = lower_widen(lower, arguments[i]);
        types[i] = LLVMTypeOf(arguments[i]);
    }
    LLVMTypeRef type = LLVMFunctionType(lower->i32, types, count, false);
    LLVMValueRef is_done = lower_call(lower, type, lower_external_function(lower, name, type), arguments, count);
    LLVMValueRef failed = LLVMBuildICmp(lower->builder, LLVMIntEQ, is_done, lower_i32(lower, 0), "");
    lower_trap_if(lower, failed, TRAP_TABLE_OUT_OF_BOUNDS);
}

void lower_table_fill(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    const struct lowered_table *table = &lower->tables[op->index];
    LLVMValueRef count = lower_pop(lower), value = lower_pop(lower), to = lower_pop(lower);
    call_bulk(lower, "wasm_table_fill", (LLVMValueRef[]){table->entries, value, table_size(lower, table), to, count},
              5);
}

static void copy_entries(struct lowering *lower, const struct lowered_table *table, LLVMValueRef entries,
                         LLVMValueRef length, LLVMValueRef to, LLVMValueRef from, LLVMValueRef count)
{
    LLVMValueRef available = LLVMBuildLoad2(lower->builder, lower->i32, length, "");
    call_bulk(lower, "wasm_table_copy",
              (LLVMValueRef[]){table->entries, entries, table_size(lower, table), available, to, from, count}, 7);
}

void lower_table_copy(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    const struct lowered_table *from = &lower->tables[op->index2];
    LLVMValueRef count = lower_pop(lower), source = lower_pop(lower), destination = lower_pop(lower);
    copy_entries(lower, &lower->tables[op->index], from->entries, from->size, destination, source, count);
}

void lower_table_init(struct lowering *lower, const struct lowered_table *table, const struct lowered_segment *segment,
                      LLVMValueRef to, LLVMValueRef from, LLVMValueRef count)
{
    copy_entries(lower, table, segment->bytes, segment->length, to, from, count);
}

void lower_table_init_operator(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMValueRef count = lower_pop(lower), from = lower_pop(lower), to = lower_pop(lower);
    lower_table_init(lower, &lower->tables[op->index2], &lower->elements[op->index], to, from, count);
}

void lower_elem_drop(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMBuildStore(lower->builder, lower_i32(lower, 0), lower->elements[op->index].length);
}
