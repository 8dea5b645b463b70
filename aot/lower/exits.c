/* Loop exits: after loop strength reduction, before indices are widened.
 *
 * What a loop leaves to the code behind it passes through a phi of one edge, so strength reduction makes such values
 * inside the loop: with each round it adds to the counter what the code behind the loop wants added. In the loop they
 * take a register that survives its calls, and the code generator finds that (x - 1) + 1 is the x of before, which then
 * must be kept, too. Here what only the code behind an edge uses is made behind it. */
#include "lower/lower.h"

/* Whether making the value elsewhere can neither trap nor see other memory. */
static bool is_movable(LLVMValueRef value)
{
    if (!LLVMIsAInstruction(value))
        return false;
    switch (LLVMGetInstructionOpcode(value)) {
    case LLVMAdd:
    case LLVMSub:
    case LLVMMul:
    case LLVMShl:
    case LLVMZExt:
    case LLVMTrunc:
    case LLVMGetElementPtr:
        return true;
    default:
        return false;
    }
}

static bool has_one_use(LLVMValueRef value)
{
    LLVMUseRef use = LLVMGetFirstUse(value);
    return use && !LLVMGetNextUse(use);
}

/* How many steps of a computation are moved: strength reduction makes one or two. */
#define MOVED_STEPS 4

/* Moves the value to the builder's place, and before it what nothing but it uses. */
static void move_here(LLVMBuilderRef builder, LLVMValueRef value, LLVMBasicBlockRef from, unsigned steps)
{
    for (int i = 0; i < LLVMGetNumOperands(value); i++) {
        LLVMValueRef operand = LLVMGetOperand(value, (unsigned)i);
        if (steps > 1 && is_movable(operand) && has_one_use(operand) && LLVMGetInstructionParent(operand) == from)
            move_here(builder, operand, from, steps - 1);
    }
    LLVMInstructionRemoveFromParent(value);
    LLVMInsertIntoBuilder(builder, value);
}

static LLVMValueRef first_after_phis(LLVMBasicBlockRef block)
{
    LLVMValueRef instruction = LLVMGetFirstInstruction(block);
    while (LLVMIsAPHINode(instruction))
        instruction = LLVMGetNextInstruction(instruction);
    return instruction;
}

static bool is_phi_of_one_edge(LLVMValueRef value)
{
    return LLVMIsAPHINode(value) && LLVMCountIncoming(value) == 1;
}

static void exit_clear(LLVMBuilderRef builder, LLVMBasicBlockRef block)
{
    LLVMValueRef phi = LLVMGetFirstInstruction(block), place, next;
    if (!is_phi_of_one_edge(phi))
        return;
    LLVMBasicBlockRef from = LLVMGetIncomingBlock(phi, 0);
    place = first_after_phis(block);
    bool may_move = from != block && !LLVMIsALandingPadInst(place); /* nothing may stand before that one */
    LLVMPositionBuilderBefore(builder, place);
    for (; is_phi_of_one_edge(phi); phi = next) {
        LLVMValueRef value = LLVMGetIncomingValue(phi, 0);
        next = LLVMGetNextInstruction(phi);
        bool is_own = may_move && is_movable(value) && has_one_use(value) && LLVMGetInstructionParent(value) == from;
        LLVMReplaceAllUsesWith(phi, value);
        LLVMInstructionEraseFromParent(phi);
        if (is_own)
            move_here(builder, value, from, MOVED_STEPS);
    }
}

void lower_clear_exits(LLVMModuleRef llvm)
{
    LLVMBuilderRef builder = LLVMCreateBuilderInContext(LLVMGetModuleContext(llvm));
    for (LLVMValueRef function = LLVMGetFirstFunction(llvm); function; function = LLVMGetNextFunction(function))
        for (LLVMBasicBlockRef block = LLVMGetFirstBasicBlock(function); block; block = LLVMGetNextBasicBlock(block))
            exit_clear(builder, block);
    LLVMDisposeBuilder(builder);
}
