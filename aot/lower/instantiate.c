/* Instantiation: what must happen at run time before a module's functions are called. As much as
 * possible happens here and now instead: globals are constants, and element segments lie in their
 * table from the start, as long as nothing before them can fail. */
#include <stdlib.h>

#include "lower/lower.h"
#include "memory.h"

/* ---- tables at link time ---- */

static bool is_own_table(const struct lowering *lower, uint32_t table)
{
    return table >= lower->module->imported_table_count;
}

/* The place of an active segment: an i32, or an i64 when the memory or table has such indices. */
static LLVMValueRef segment_place(struct lowering *lower, struct expression place)
{
    return lower_constant_expression(lower, lower->instance, place);
}

/* Whether the segment's entries can stand in the table from the start. */
static bool is_static(struct lowering *lower, const struct element_segment *segment)
{
    if (segment->mode != SEGMENT_ACTIVE)
        return true;
    if (!is_own_table(lower, segment->table))
        return false;
    uint64_t place = LLVMConstIntGetZExtValue(segment_place(lower, segment->place));
    uint64_t minimum = lower->module->tables[segment->table].limits.minimum;
    return place <= minimum && segment->count <= minimum - place;
}

static uint32_t static_segment_count(struct lowering *lower)
{
    uint32_t count = 0;
    while (count < lower->module->element_count && is_static(lower, &lower->module->elements[count]))
        count++;
    return count;
}

bool lower_tables_are_constant(struct lowering *lower)
{
    const struct program *program = lower->program;
    return !program->may_change_tables && !program->has_export_tables && program->instance_count == 1 &&
           static_segment_count(lower) == lower->module->element_count;
}

static void fill_table(struct lowering *lower, uint32_t index, uint32_t static_segments)
{
    const struct lowered_table *table = &lower->tables[index];
    const struct table *source = &lower->module->tables[index];
    LLVMValueRef null = LLVMConstNull(lower->pointer);
    LLVMValueRef first =
        source->initial.size > 0 ? lower_constant_expression(lower, lower->instance, source->initial) : null;
    bool is_empty = source->initial.size == 0; /* no need to list ten million nulls */
    for (uint32_t i = 0; i < static_segments; i++)
        is_empty &= lower->module->elements[i].table != index || lower->module->elements[i].mode != SEGMENT_ACTIVE;
    if (is_empty) {
        LLVMSetInitializer(table->entries, LLVMConstNull(LLVMGlobalGetValueType(table->entries)));
        return;
    }
    LLVMValueRef *entries = allocate(table->capacity, sizeof *entries);
    for (uint64_t i = 0; i < table->capacity; i++)
        entries[i] = i < source->limits.minimum ? first : null;
    for (uint32_t i = 0; i < static_segments; i++) {
        const struct element_segment *segment = &lower->module->elements[i];
        if (segment->mode != SEGMENT_ACTIVE || segment->table != index)
            continue;
        uint64_t place = LLVMConstIntGetZExtValue(segment_place(lower, segment->place));
        LLVMValueRef values = LLVMGetInitializer(lower->elements[i].bytes);
        for (uint32_t entry = 0; entry < segment->count; entry++)
            entries[place + entry] = LLVMGetAggregateElement(values, entry);
    }
    LLVMSetInitializer(table->entries, LLVMConstArray2(lower->pointer, entries, table->capacity));
    free(entries);
}

/* ---- at run time ---- */

/* Leaves with 1 when what `size` points to is below `minimum`. */
static void return_if_small(struct lowering *lower, LLVMTypeRef type, LLVMValueRef size, uint64_t minimum)
{
    LLVMValueRef now = lower_widen(lower, LLVMBuildLoad2(lower->builder, type, size, ""));
    LLVMValueRef is_small = LLVMBuildICmp(lower->builder, LLVMIntULT, now, lower_i64(lower, minimum), "");
    LLVMBasicBlockRef leave = lower_block_append(lower, ""), go_on = lower_block_append(lower, "");
    LLVMBuildCondBr(lower->builder, is_small, leave, go_on);
    LLVMPositionBuilderAtEnd(lower->builder, leave);
    LLVMBuildRet(lower->builder, lower_i32(lower, 1));
    LLVMPositionBuilderAtEnd(lower->builder, go_on);
}

/* Imported memories and tables must be as large as asked for; they may have grown since they were made. */
static void check_import_sizes(struct lowering *lower)
{
    for (uint32_t i = 0; i < lower->module->imported_memory_count; i++)
        return_if_small(lower, lower->i64, lower->memories[i].pages, lower->module->memories[i].limits.minimum);
    for (uint32_t i = 0; i < lower->module->imported_table_count; i++)
        return_if_small(lower, lower->i32, lower->tables[i].size, lower->module->tables[i].limits.minimum);
}

static void apply_elements(struct lowering *lower, uint32_t first)
{
    for (uint32_t i = 0; i < lower->module->element_count; i++) {
        const struct element_segment *segment = &lower->module->elements[i];
        if (segment->mode != SEGMENT_ACTIVE)
            continue;
        if (i >= first)
            lower_table_init(lower, &lower->tables[segment->table], &lower->elements[i],
                             segment_place(lower, segment->place), lower_i32(lower, 0),
                             lower_i32(lower, segment->count));
        LLVMBuildStore(lower->builder, lower_i32(lower, 0), lower->elements[i].length);
    }
}

static void apply_data(struct lowering *lower)
{
    for (uint32_t i = 0; i < lower->module->data_count; i++) {
        const struct data_segment *segment = &lower->module->data[i];
        if (segment->mode != SEGMENT_ACTIVE)
            continue;
        lower_memory_init(lower, &lower->memories[segment->memory], &lower->data[i],
                          segment_place(lower, segment->place), lower_i32(lower, 0), lower_i32(lower, segment->size));
        LLVMBuildStore(lower->builder, lower_i32(lower, 0), lower->data[i].length);
    }
}

/* More segments than this are applied by code that is not optimised: LLVM's time is the square of their number. */
#define SEGMENTS_OPTIMISED 500

static void limit_optimisation(struct lowering *lower, uint32_t static_segments)
{
    if (lower->module->data_count + (lower->module->element_count - static_segments) <= SEGMENTS_OPTIMISED)
        return;
    lower_function_flag(lower, lower->llvm_function, "noinline");
    lower_function_flag(lower, lower->llvm_function, "optnone");
}

/* uint32_t INSTANCE$instantiate0(void): 0, or 1 when an imported memory or table is too small. */
void lower_instantiation(struct lowering *lower)
{
    uint32_t static_segments = static_segment_count(lower);
    for (uint32_t i = lower->module->imported_table_count; i < lower->module->table_count; i++)
        fill_table(lower, i, static_segments);

    char *name = symbol_entity(lower->instance, "instantiate", 0);
    LLVMTypeRef type = LLVMFunctionType(lower->i32, NULL, 0, false);
    lower->llvm_function = LLVMAddFunction(lower->llvm, name, type);
    free(name);
    LLVMSetVisibility(lower->llvm_function, LLVMHiddenVisibility);
    lower_function_attributes(lower, lower->llvm_function);
    limit_optimisation(lower, static_segments);
    LLVMPositionBuilderAtEnd(lower->builder, lower_block_append(lower, ""));
    lower_debug_generated(lower, lower->llvm_function, "instantiate");
    check_import_sizes(lower);
    apply_elements(lower, static_segments);
    apply_data(lower);
    if (lower->module->has_start) {
        const struct lowered_function *start = lower_function(lower, lower->module->start);
        if (start->is_native)
            lower_call(lower, start->type, start->value, NULL, 0);
        else
            lower_call_wasm(lower, start->type, start->value, NULL, 0);
    }
    LLVMBuildRet(lower->builder, lower_i32(lower, 0));
    lower_debug_pause(lower);
}
