/* Exceptions: try_table and the legacy try.
 *
 * An exception in flight is a record of the runtime's: the address of its tag, then its values in slots of 64 bits; a
 * reference to an exception is the record's address. wasm_throw walks up the frames, as C++'s unwinder does, to a call
 * that has a landing pad; docs/aot.md says why.
 *
 * Each open try has one block, `handlers`, where everything that is thrown within arrives: calls by way of the try's
 * landing pad, a throw in the same function by a branch. There the clauses are asked in order, and what none takes goes
 * on to the try around it, or by wasm_throw to the caller. */
#include <stdlib.h>

#include "lower/lower.h"
#include "memory.h"

/* ---- records ---- */

#define RECORD_VALUES 1 /* slots before the values: the tag */

static uint32_t slot_count(struct value_type type)
{
    return type.kind == VALUE_V128 ? 2 : 1;
}

static LLVMValueRef slot_address(struct lowering *lower, LLVMValueRef record, uint32_t slot)
{
    LLVMValueRef index = lower_i64(lower, RECORD_VALUES + slot);
    return LLVMBuildInBoundsGEP2(lower->builder, lower->i64, record, &index, 1, "");
}

static const struct function_type *tag_type(const struct lowering *lower, uint32_t tag)
{
    return &lower->module->types[lower->module->tags[tag].type];
}

/* struct wasm_exception *wasm_exception_new(const void *tag, uint64_t slots): null when there are too many. */
static LLVMValueRef record_new(struct lowering *lower, uint32_t tag, const LLVMValueRef *values)
{
    const struct function_type *type = tag_type(lower, tag);
    uint32_t slots = 0;
    for (uint32_t i = 0; i < type->parameter_count; i++)
        slots += slot_count(type->parameters[i]);
    LLVMTypeRef types[] = {lower->pointer, lower->i64};
    LLVMTypeRef new_type = LLVMFunctionType(lower->pointer, types, 2, false);
    LLVMValueRef arguments[] = {lower->tags[tag], lower_i64(lower, slots)};
    const char *name = lower->program->has_threads ? "wasm_exception_new_threads" : "wasm_exception_new";
    LLVMValueRef record = lower_call(lower, new_type, lower_external_function(lower, name, new_type), arguments, 2);
    lower_trap_if(lower, LLVMBuildIsNull(lower->builder, record, ""), TRAP_EXCEPTIONS_EXHAUSTED);
    for (uint32_t i = 0, slot = 0; i < type->parameter_count; slot += slot_count(type->parameters[i++]))
        LLVMSetAlignment(LLVMBuildStore(lower->builder, values[i], slot_address(lower, record, slot)), 8);
    return record;
}

/* The values of an exception of this tag, into `values`. */
static void record_values(struct lowering *lower, uint32_t tag, LLVMValueRef record, LLVMValueRef *values)
{
    const struct function_type *type = tag_type(lower, tag);
    for (uint32_t i = 0, slot = 0; i < type->parameter_count; slot += slot_count(type->parameters[i++])) {
        LLVMTypeRef value = lower_value_type(lower, type->parameters[i]);
        values[i] = LLVMBuildLoad2(lower->builder, value, slot_address(lower, record, slot), "");
        LLVMSetAlignment(values[i], 8);
    }
}

/* Goes on where the exception has the tag; `*otherwise` is the block for all others. */
static void match_tag(struct lowering *lower, uint32_t tag, LLVMValueRef record, LLVMBasicBlockRef *otherwise)
{
    LLVMBasicBlockRef match = lower_block_append(lower, "catch");
    *otherwise = lower_block_append(lower, "");
    LLVMValueRef thrown = LLVMBuildLoad2(lower->builder, lower->pointer, record, "");
    LLVMValueRef is_same = LLVMBuildICmp(lower->builder, LLVMIntEQ, thrown, lower->tags[tag], "");
    LLVMBuildCondBr(lower->builder, is_same, match, *otherwise);
    LLVMPositionBuilderAtEnd(lower->builder, match);
}

/* ---- handlers ---- */

/* The innermost try among the `count` outermost open blocks whose guarded part is open; NULL: none. */
static struct block *handler_within(struct lowering *lower, uint32_t count)
{
    while (count-- > 0)
        if (lower->blocks[count].kind == BLOCK_TRY)
            return &lower->blocks[count];
    return NULL;
}

/* Hands the exception to a try among the `count` outermost blocks, or else to the caller. */
static void throw_to(struct lowering *lower, LLVMValueRef record, uint32_t count)
{
    struct block *handler = handler_within(lower, count);
    if (handler) {
        LLVMBasicBlockRef here = LLVMGetInsertBlock(lower->builder);
        LLVMAddIncoming(handler->exception, &record, &here, 1);
        LLVMBuildBr(lower->builder, handler->handlers);
    } else {
        /* void wasm_throw(struct wasm_exception *): comes back when nobody catches it. */
        LLVMTypeRef type = LLVMFunctionType(lower->nothing, &lower->pointer, 1, false);
        LLVMValueRef function = lower_external_function(lower, "wasm_throw", type);
        lower_may_unwind(lower, function);
        lower_call(lower, type, function, &record, 1);
        lower_trap(lower, TRAP_UNCAUGHT_EXCEPTION);
    }
    lower->is_reachable = false;
}

/* LLVM wants every function with landing pads to name a routine that interprets its tables; ours is never called. */
static LLVMValueRef personality(struct lowering *lower)
{
    return lower_external_function(lower, "wasm_personality", LLVMFunctionType(lower->i32, NULL, 0, true));
}

static void build_pad(struct lowering *lower, struct block *block)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(lower->builder);
    block->pad = lower_block_append(lower, "pad");
    LLVMPositionBuilderAtEnd(lower->builder, block->pad);
    LLVMTypeRef members[] = {lower->pointer, lower->i32};
    LLVMTypeRef type = LLVMStructTypeInContext(lower->context, members, 2, false);
    LLVMValueRef landing = LLVMBuildLandingPad(lower->builder, type, personality(lower), 1, "");
    LLVMAddClause(landing, LLVMConstNull(lower->pointer)); /* everything */
    LLVMValueRef record = LLVMBuildExtractValue(lower->builder, landing, 0, "");
    LLVMAddIncoming(block->exception, &record, &block->pad, 1);
    LLVMBuildBr(lower->builder, block->handlers);
    LLVMPositionBuilderAtEnd(lower->builder, here);
}

LLVMBasicBlockRef lower_unwind_target(struct lowering *lower)
{
    struct block *handler = handler_within(lower, lower->block_count);
    if (handler && !handler->pad)
        build_pad(lower, handler);
    return handler ? handler->pad : NULL;
}

/* ---- throwing ---- */

void lower_throw(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    lower->value_count -= tag_type(lower, op->index)->parameter_count;
    throw_to(lower, record_new(lower, op->index, lower->values + lower->value_count), lower->block_count);
}

void lower_throw_reference(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    LLVMValueRef record = lower_pop(lower);
    lower_trap_if(lower, LLVMBuildIsNull(lower->builder, record, ""), TRAP_NULL_REFERENCE);
    throw_to(lower, record, lower->block_count);
}

void lower_rethrow(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    throw_to(lower, lower_block_at(lower, op->index)->exception, lower->block_count);
}

/* ---- catching ---- */

/* Opens the guarded part; nothing leads to its handlers yet. */
static struct block *open_try(struct lowering *lower, const struct operation *op)
{
    struct block *block = lower_block_open(lower, BLOCK_TRY, op);
    LLVMBasicBlockRef here = LLVMGetInsertBlock(lower->builder);
    block->handlers = lower_block_append(lower, "handlers");
    LLVMPositionBuilderAtEnd(lower->builder, block->handlers);
    block->exception = LLVMBuildPhi(lower->builder, lower->pointer, "");
    LLVMPositionBuilderAtEnd(lower->builder, here);
    return block;
}

/* One clause of a try_table, at the builder's place; goes on where it does not match. False: it takes everything. */
static bool lower_clause(struct lowering *lower, const struct catch_clause *clause, LLVMValueRef record)
{
    bool has_tag = clause->kind == CATCH_TAG || clause->kind == CATCH_TAG_REF;
    bool has_reference = clause->kind == CATCH_TAG_REF || clause->kind == CATCH_ALL_REF;
    uint32_t count = has_tag ? tag_type(lower, clause->tag)->parameter_count : 0;
    LLVMValueRef *values = allocate((size_t)count + 1, sizeof *values);
    LLVMBasicBlockRef otherwise = NULL;
    if (has_tag) {
        match_tag(lower, clause->tag, record, &otherwise);
        record_values(lower, clause->tag, record, values);
    }
    if (has_reference)
        values[count] = record;
    lower_branch(lower, lower_block_at(lower, clause->label + 1), values); /* labels count from outside */
    free(values);
    if (otherwise)
        LLVMPositionBuilderAtEnd(lower->builder, otherwise);
    return has_tag;
}

/* The clauses are lowered now, while the reader has them; what no clause takes leaves when the block is closed. */
void lower_try_table(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    struct block *block = open_try(lower, op);
    LLVMBasicBlockRef here = LLVMGetInsertBlock(lower->builder);
    LLVMPositionBuilderAtEnd(lower->builder, block->handlers);
    bool goes_on = true;
    for (uint32_t i = 0; goes_on && i < op->catch_count; i++)
        goes_on = lower_clause(lower, &op->catches[i], block->exception);
    if (goes_on)
        throw_to(lower, block->exception, lower->block_count - 1);
    lower->is_reachable = true;
    LLVMPositionBuilderAtEnd(lower->builder, here);
}

void lower_try(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    open_try(lower, op)->is_legacy = true;
}

/* Ends the part before a catch and begins at what no clause so far has taken. */
static struct block *begin_catch(struct lowering *lower)
{
    struct block *block = lower_block_at(lower, 0);
    lower_fall_out(lower, block);
    if (block->kind == BLOCK_TRY)
        block->exception = lower_phi_value(block->exception);
    block->kind = BLOCK_CATCH;
    LLVMPositionBuilderAtEnd(lower->builder, block->handlers);
    lower->value_count = block->height;
    lower->is_reachable = true;
    return block;
}

void lower_catch(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    struct block *block = begin_catch(lower);
    match_tag(lower, op->index, block->exception, &block->handlers);
    record_values(lower, op->index, block->exception, lower->values + lower->value_count);
    lower->value_count += tag_type(lower, op->index)->parameter_count;
}

void lower_catch_all(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    begin_catch(lower)->handlers = NULL;
}

/* What arrives at the handlers of block, the innermost one, goes to a try among the `count` outermost. */
static void leave_to(struct lowering *lower, struct block *block, uint32_t count)
{
    if (block->kind == BLOCK_TRY)
        block->exception = lower_phi_value(block->exception);
    if (!block->is_legacy || !block->handlers)
        return;
    LLVMPositionBuilderAtEnd(lower->builder, block->handlers);
    throw_to(lower, block->exception, count);
}

void lower_leave_handlers(struct lowering *lower, struct block *block)
{
    leave_to(lower, block, lower->block_count - 1);
}

/* The label counts from outside the try: 0 is the block around it. */
void lower_delegate(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    struct block *block = lower_block_at(lower, 0);
    lower_fall_out(lower, block);
    leave_to(lower, block, lower->block_count - 1 - op->index);
    lower_block_close(lower, block);
}
