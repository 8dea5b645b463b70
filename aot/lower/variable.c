/* Variables, and the parametric operators. */
#include "lower/lower.h"

void lower_local_get(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    lower_push(lower, LLVMBuildLoad2(lower->builder, lower->local_types[op->index], lower->locals[op->index], ""));
}

void lower_local_set(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMBuildStore(lower->builder, lower_pop(lower), lower->locals[op->index]);
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
    LLVMValueRef condition = LLVMBuildICmp(lower->builder, LLVMIntNE, lower_pop(lower), lower_i32(lower, 0), "");
    LLVMValueRef otherwise = lower_pop(lower);
    LLVMValueRef then = lower_pop(lower);
    lower_push(lower, LLVMBuildSelect(lower->builder, condition, then, otherwise, ""));
}
