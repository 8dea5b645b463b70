/* Control flow. A block's label is an LLVM basic block, and the values that a branch brings there are
 * phi nodes in it: of a loop its parameters, of every other block its results. */
#include <stdlib.h>

#include "lower/lower.h"
#include "memory.h"

/* The phi nodes of `types` at the head of `target`. */
static void block_add_phis(struct lowering *lower, struct block *block, const struct value_type *types, uint32_t count)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(lower->builder);
    LLVMPositionBuilderAtEnd(lower->builder, block->target);
    block->phis = allocate(count, sizeof *block->phis);
    block->phi_count = count;
    for (uint32_t i = 0; i < count; i++)
        block->phis[i] = LLVMBuildPhi(lower->builder, lower_value_type(lower, types[i]), "");
    LLVMPositionBuilderAtEnd(lower->builder, here);
}

static void add_edge(struct lowering *lower, struct block *block, const LLVMValueRef *values, LLVMBasicBlockRef from)
{
    lower_carry(lower, block->phi_count);
    for (uint32_t i = 0; i < block->phi_count; i++) {
        LLVMValueRef value = values[i];
        LLVMAddIncoming(block->phis[i], &value, &from, 1);
    }
}

/* The topmost values go along the edge from `from` to the block's label. */
static void block_add_edge(struct lowering *lower, struct block *block, LLVMBasicBlockRef from)
{
    add_edge(lower, block, lower->values + lower->value_count - block->phi_count, from);
}

void lower_branch(struct lowering *lower, struct block *block, const LLVMValueRef *values)
{
    add_edge(lower, block, values, LLVMGetInsertBlock(lower->builder));
    LLVMBuildBr(lower->builder, block->target);
}

struct block *lower_block_at(struct lowering *lower, uint32_t depth)
{
    return &lower->blocks[lower->block_count - 1 - depth];
}

static struct block *block_open(struct lowering *lower, enum block_kind kind, const struct operation *op)
{
    struct block *block = &lower->blocks[lower->block_count++];
    *block = (struct block){.kind = kind, .type = op->block, .was_reached = lower->is_reachable};
    block->height = lower->value_count - block_type_parameter_count(lower->module, &op->block);
    block->target = lower_block_append(lower, kind == BLOCK_LOOP ? "loop" : "end");
    return block;
}

static void block_add_result_phis(struct lowering *lower, struct block *block)
{
    block_add_phis(lower, block, block_type_results(lower->module, &block->type),
                   block_type_result_count(lower->module, &block->type));
}

struct block *lower_block_open(struct lowering *lower, enum block_kind kind, const struct operation *op)
{
    struct block *block = block_open(lower, kind, op);
    block_add_result_phis(lower, block);
    return block;
}

/* A phi that no edge reaches is a value nobody will see. */
LLVMValueRef lower_phi_value(LLVMValueRef phi)
{
    if (LLVMCountIncoming(phi) > 0)
        return phi;
    LLVMValueRef poison = LLVMGetPoison(LLVMTypeOf(phi));
    LLVMReplaceAllUsesWith(phi, poison);
    LLVMInstructionEraseFromParent(phi);
    return poison;
}

void lower_unreachable(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    lower_trap(lower, TRAP_UNREACHABLE);
    lower->is_reachable = false;
}

void lower_nop(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)lower, (void)op, (void)row;
}

void lower_block(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    lower_block_open(lower, BLOCK_PLAIN, op);
}

void lower_loop(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    struct block *block = block_open(lower, BLOCK_LOOP, op);
    block_add_phis(lower, block, block_type_parameters(lower->module, &block->type),
                   block_type_parameter_count(lower->module, &block->type));
    block_add_edge(lower, block, LLVMGetInsertBlock(lower->builder));
    LLVMBuildBr(lower->builder, block->target);
    LLVMPositionBuilderAtEnd(lower->builder, block->target);
    lower->value_count = block->height;
    for (uint32_t i = 0; i < block->phi_count; i++)
        lower_push(lower, block->phis[i]);
}

void lower_if(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMValueRef condition = lower_pop_truth(lower);
    struct block *block = lower_block_open(lower, BLOCK_IF, op);
    uint32_t parameters = block_type_parameter_count(lower->module, &block->type);
    block->else_values = allocate(parameters, sizeof *block->else_values);
    for (uint32_t i = 0; i < parameters; i++)
        block->else_values[i] = lower->values[block->height + i];
    LLVMBasicBlockRef then = lower_block_append(lower, "then");
    block->otherwise = lower_block_append(lower, "else");
    LLVMBuildCondBr(lower->builder, condition, then, block->otherwise);
    LLVMPositionBuilderAtEnd(lower->builder, then);
}

void lower_fall_out(struct lowering *lower, struct block *block)
{
    if (!lower->is_reachable)
        return;
    block_add_edge(lower, block, LLVMGetInsertBlock(lower->builder));
    LLVMBuildBr(lower->builder, block->target);
}

/* Begins the else branch with the parameters that the `if` had. */
static void block_begin_else(struct lowering *lower, struct block *block)
{
    uint32_t parameters = block_type_parameter_count(lower->module, &block->type);
    LLVMPositionBuilderAtEnd(lower->builder, block->otherwise);
    lower->value_count = block->height;
    for (uint32_t i = 0; i < parameters; i++)
        lower_push(lower, block->else_values[i]);
    block->kind = BLOCK_ELSE;
    lower->is_reachable = true;
}

void lower_else(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    struct block *block = lower_block_at(lower, 0);
    lower_fall_out(lower, block);
    block_begin_else(lower, block);
}

void lower_end(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op, (void)row;
    struct block *block = lower_block_at(lower, 0);
    if (block->kind == BLOCK_LOOP) { /* its label is its head; its results just stay on the stack */
        lower->block_count--;
        free(block->phis);
        if (!lower->is_reachable) { /* types are all that is left of the results */
            lower->value_count = block->height;
            const struct value_type *types = block_type_results(lower->module, &block->type);
            for (uint32_t i = 0; i < block_type_result_count(lower->module, &block->type); i++)
                lower_push(lower, LLVMGetPoison(lower_value_type(lower, types[i])));
            LLVMPositionBuilderAtEnd(lower->builder, lower_block_append(lower, "dead"));
            lower->is_reachable = true;
        }
        return;
    }
    lower_fall_out(lower, block);
    if (block->kind == BLOCK_IF) {
        block_begin_else(lower, block);
        lower_fall_out(lower, block);
    } else if (block->kind == BLOCK_TRY || block->kind == BLOCK_CATCH) {
        lower_leave_handlers(lower, block);
    }
    lower_block_close(lower, block);
}

void lower_block_close(struct lowering *lower, struct block *block)
{
    lower->block_count--;
    LLVMMoveBasicBlockAfter(block->target, LLVMGetInsertBlock(lower->builder));
    LLVMPositionBuilderAtEnd(lower->builder, block->target);
    lower->value_count = block->height;
    for (uint32_t i = 0; i < block->phi_count; i++)
        lower_push(lower, lower_phi_value(block->phis[i]));
    lower->is_reachable = true;
    free(block->phis);
    free(block->else_values);
}

void lower_br(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    struct block *block = lower_block_at(lower, op->index);
    block_add_edge(lower, block, LLVMGetInsertBlock(lower->builder));
    LLVMBuildBr(lower->builder, block->target);
    lower->is_reachable = false;
}

/* Branches with the topmost values when the condition holds, else goes on. */
static void branch_if(struct lowering *lower, LLVMValueRef condition, uint32_t depth)
{
    struct block *block = lower_block_at(lower, depth);
    LLVMBasicBlockRef go_on = lower_block_append(lower, "");
    block_add_edge(lower, block, LLVMGetInsertBlock(lower->builder));
    LLVMBuildCondBr(lower->builder, condition, block->target, go_on);
    LLVMPositionBuilderAtEnd(lower->builder, go_on);
}

void lower_br_if(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMValueRef condition = lower_pop_truth(lower);
    branch_if(lower, condition, op->index);
}

/* The reference stays on the stack only when it is not null. */
void lower_br_on_null(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMValueRef reference = lower_pop(lower);
    branch_if(lower, LLVMBuildIsNull(lower->builder, reference, ""), op->index);
    lower_push(lower, reference);
}

/* The reference goes along with the branch. */
void lower_br_on_non_null(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMValueRef reference = lower->values[lower->value_count - 1];
    branch_if(lower, LLVMBuildIsNotNull(lower->builder, reference, ""), op->index);
    lower_pop(lower);
}

void lower_br_table(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)row;
    LLVMValueRef index = lower_pop(lower);
    LLVMBasicBlockRef here = LLVMGetInsertBlock(lower->builder);
    struct block *otherwise = lower_block_at(lower, op->index);
    block_add_edge(lower, otherwise, here);
    LLVMValueRef choice = LLVMBuildSwitch(lower->builder, index, otherwise->target, op->label_count);
    for (uint32_t i = 0; i < op->label_count; i++) {
        struct block *block = lower_block_at(lower, op->labels[i]);
        block_add_edge(lower, block, here); /* a phi counts edges, not blocks */
        LLVMAddCase(choice, lower_i32(lower, i), block->target);
    }
    lower->is_reachable = false;
}

void lower_return(struct lowering *lower, const struct operation *op, const struct lowering_row *row)
{
    (void)op;
    struct operation branch = {.index = lower->block_count - 1};
    lower_br(lower, &branch, row);
}
