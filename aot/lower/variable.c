/* Variables, and the parametric operators. */
#include "lower/lower.h"

/* Without optimisation each load of a local's slot is an instruction, so a block remembers what a slot holds. A call
 * ends that: what is in a register would have to be put on the stack once more. */
static void know_local(struct lowering *lower, uint32_t local, LLVMValueRef value)
{
    lower->known_locals[local] = (struct known_local){value, LLVMGetInsertBlock(lower->builder), lower->call_count};
}

void lower_local_get(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    const struct known_local *known = &lower->known_locals[op->index];
    if (known->block != LLVMGetInsertBlock(lower->builder) || known->calls != lower->call_count)
        know_local(lower, op->index,
                   LLVMBuildLoad2(lower->builder, lower->local_types[op->index], lower->locals[op->index], ""));
    lower_push(lower, known->value);
}

void lower_local_set(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMValueRef value = lower_pop(lower);
    LLVMBuildStore(lower->builder, value, lower->locals[op->index]);
    know_local(lower, op->index, value);
}

void lower_local_tee(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    lower_local_set(lower, op, row);
    lower->value_count++; /* the value stays */
}

void lower_global_get(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    const struct lowered_global *global = &lower->globals[op->index];
    LLVMValueRef value = LLVMBuildLoad2(lower->builder, global->type, global->value, "");
    lower_load_not_null(lower, value, lower->module->globals[op->index].type);
    lower_push(lower, value);
}

void lower_global_set(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMBuildStore(lower->builder, lower_pop(lower), lower->globals[op->index].value);
}

void lower_drop(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    lower_pop(lower);
}

void lower_select(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    LLVMValueRef condition = lower_pop_truth(lower);
    LLVMValueRef otherwise = lower_pop(lower);
    LLVMValueRef then = lower_pop(lower);
    lower_push(lower, LLVMBuildSelect(lower->builder, condition, then, otherwise, ""));
}
