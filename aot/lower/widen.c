/* Indices in registers: after LLVM's optimisation, before its code generator.
 *
 * An access takes its index as zext i32 to i64. Both machines zero the upper half with every 32-bit operation, so the
 * extension is free where LLVM's code generator sees that operation; but it looks at one basic block at a time, and an
 * index that comes from a phi or from another block is extended once more before each access, by a move that lengthens
 * the chain of a pointer being followed. So here such values are made 64 bits wide where they arise: a phi of indices
 * becomes a phi of i64, and what else uses the narrow value takes the wide one's truncation, which is always free. */
#include <stdlib.h>

#include "lower/lower.h"
#include "memory.h"

/* From values to their wide twins: open addressing, a power of two in size. */
struct twin {
    LLVMValueRef narrow, wide;
};

struct widening {
    LLVMBuilderRef builder;
    LLVMTypeRef i32, i64;
    LLVMValueRef function;
    struct twin *twins;
    size_t twin_count, twin_capacity;
    LLVMValueRef *order; /* narrow values of twins in the order of their making: output must not depend on addresses */
    LLVMValueRef *extensions;
    size_t extension_count, extension_capacity;
};

/* ---- twins ---- */

static struct twin *twin_slot(const struct widening *widening, LLVMValueRef narrow)
{
    size_t mask = widening->twin_capacity - 1;
    size_t slot = ((uintptr_t)narrow >> 4) * 0x9e3779b97f4a7c15 >> 20;
    while (widening->twins[slot & mask].narrow && widening->twins[slot & mask].narrow != narrow)
        slot++;
    return &widening->twins[slot & mask];
}

static void twins_enlarge(struct widening *widening)
{
    struct twin *before = widening->twins;
    size_t capacity = widening->twin_capacity;
    widening->twin_capacity = capacity ? 2 * capacity : 64;
    widening->twins = allocate(widening->twin_capacity, sizeof *widening->twins);
    widening->order = reallocate(widening->order, widening->twin_capacity, sizeof *widening->order);
    for (size_t i = 0; i < capacity; i++)
        if (before[i].narrow)
            *twin_slot(widening, before[i].narrow) = before[i];
    free(before);
}

static void twin_add(struct widening *widening, LLVMValueRef narrow, LLVMValueRef wide)
{
    if (2 * (widening->twin_count + 1) > widening->twin_capacity)
        twins_enlarge(widening);
    *twin_slot(widening, narrow) = (struct twin){narrow, wide};
    widening->order[widening->twin_count++] = narrow;
}

static LLVMValueRef twin_of(const struct widening *widening, LLVMValueRef narrow)
{
    return widening->twin_count ? twin_slot(widening, narrow)->wide : NULL;
}

/* ---- making values wide ---- */

static LLVMValueRef first_after_phis(LLVMBasicBlockRef block)
{
    LLVMValueRef instruction = LLVMGetFirstInstruction(block);
    while (LLVMIsAPHINode(instruction))
        instruction = LLVMGetNextInstruction(instruction);
    return instruction;
}

static void position_at_entry(struct widening *widening)
{
    LLVMPositionBuilderBefore(widening->builder, first_after_phis(LLVMGetEntryBasicBlock(widening->function)));
}

/* Constants are shared by functions and have no twins. What is undefined may be 0. */
static LLVMValueRef widen_constant(struct widening *widening, LLVMValueRef value)
{
    if (LLVMIsAConstantInt(value))
        return LLVMConstInt(widening->i64, LLVMConstIntGetZExtValue(value), false);
    if (LLVMIsUndef(value))
        return LLVMConstNull(widening->i64);
    position_at_entry(widening);
    return LLVMBuildZExt(widening->builder, value, widening->i64, "");
}

/* The i64 that equals zext(value). That of a phi has no incoming values until phis_fill. */
static LLVMValueRef widen(struct widening *widening, LLVMValueRef value)
{
    LLVMValueRef wide = twin_of(widening, value);
    if (wide)
        return wide;
    if (LLVMIsConstant(value))
        return widen_constant(widening, value);
    if (LLVMIsAPHINode(value)) {
        LLVMPositionBuilderBefore(widening->builder, value);
        wide = LLVMBuildPhi(widening->builder, widening->i64, "");
    } else {
        if (LLVMIsAArgument(value))
            position_at_entry(widening);
        else
            LLVMPositionBuilderBefore(widening->builder, LLVMGetNextInstruction(value));
        wide = LLVMBuildZExt(widening->builder, value, widening->i64, "");
    }
    twin_add(widening, value, wide);
    return wide;
}

/* Gives wide phis what the narrow ones have. Makes more phis wide on the way, to the end of the list. */
static void phis_fill(struct widening *widening)
{
    for (size_t i = 0; i < widening->twin_count; i++) {
        LLVMValueRef narrow = widening->order[i];
        if (!LLVMIsAPHINode(narrow))
            continue;
        LLVMValueRef wide = twin_of(widening, narrow);
        for (unsigned edge = 0; edge < LLVMCountIncoming(narrow); edge++) {
            LLVMValueRef value = widen(widening, LLVMGetIncomingValue(narrow, edge));
            LLVMBasicBlockRef from = LLVMGetIncomingBlock(narrow, edge);
            LLVMAddIncoming(wide, &value, &from, 1);
        }
    }
}

/* ---- uses ---- */

/* Uses of the narrow value in other blocks take the wide one's truncation, so that one register crosses. */
static void uses_replace(struct widening *widening, LLVMValueRef narrow, LLVMValueRef wide)
{
    bool is_phi = LLVMIsAPHINode(narrow), is_used = false;
    LLVMBasicBlockRef home =
        LLVMIsAInstruction(narrow) ? LLVMGetInstructionParent(narrow) : LLVMGetEntryBasicBlock(widening->function);
    for (LLVMUseRef use = LLVMGetFirstUse(narrow); use && !is_used; use = LLVMGetNextUse(use))
        is_used = is_phi || LLVMGetInstructionParent(LLVMGetUser(use)) != home;
    if (is_used) {
        LLVMPositionBuilderBefore(widening->builder, is_phi ? first_after_phis(home) : LLVMGetNextInstruction(wide));
        LLVMValueRef truncated = LLVMBuildTrunc(widening->builder, wide, widening->i32, "");
        LLVMReplaceAllUsesWith(narrow, truncated);
        if (!is_phi)
            LLVMSetOperand(wide, 0, narrow);
    }
    if (is_phi)
        LLVMInstructionEraseFromParent(narrow);
}

static bool is_index_extension(const struct widening *widening, LLVMValueRef value)
{
    return LLVMIsAZExtInst(value) && LLVMTypeOf(value) == widening->i64 &&
           LLVMTypeOf(LLVMGetOperand(value, 0)) == widening->i32;
}

/* False: the function has invokes, behind which nothing can be put; it stays as it is. */
static bool extensions_collect(struct widening *widening, LLVMValueRef function)
{
    for (LLVMBasicBlockRef block = LLVMGetFirstBasicBlock(function); block; block = LLVMGetNextBasicBlock(block))
        for (LLVMValueRef value = LLVMGetFirstInstruction(block); value; value = LLVMGetNextInstruction(value)) {
            if (LLVMIsAInvokeInst(value))
                return false;
            if (!is_index_extension(widening, value))
                continue;
            if (widening->extension_count == widening->extension_capacity) {
                widening->extension_capacity = 2 * widening->extension_capacity + 64;
                widening->extensions =
                    reallocate(widening->extensions, widening->extension_capacity, sizeof *widening->extensions);
            }
            widening->extensions[widening->extension_count++] = value;
        }
    return true;
}

/* Whether the code generator would extend again: it does not see where the value comes from. */
static bool is_distant(LLVMValueRef extension)
{
    LLVMValueRef value = LLVMGetOperand(extension, 0);
    return LLVMIsAPHINode(value) || LLVMIsAArgument(value) ||
           (LLVMIsAInstruction(value) && LLVMGetInstructionParent(value) != LLVMGetInstructionParent(extension));
}

static void function_widen(struct widening *widening, LLVMValueRef function)
{
    widening->function = function;
    widening->extension_count = 0;
    if (!extensions_collect(widening, function))
        return;
    size_t own = widening->extension_count;
    for (size_t i = 0; i < own; i++)
        if (is_distant(widening->extensions[i]))
            widen(widening, LLVMGetOperand(widening->extensions[i], 0));
    phis_fill(widening);
    for (size_t i = 0; i < own; i++) {
        LLVMValueRef extension = widening->extensions[i], wide = twin_of(widening, LLVMGetOperand(extension, 0));
        if (!wide)
            continue;
        LLVMReplaceAllUsesWith(extension, wide);
        LLVMInstructionEraseFromParent(extension);
    }
    for (size_t i = 0; i < widening->twin_count; i++)
        uses_replace(widening, widening->order[i], twin_of(widening, widening->order[i]));
    free(widening->twins);
    widening->twins = NULL;
    widening->twin_count = widening->twin_capacity = 0;
}

void lower_widen_indices(LLVMModuleRef llvm)
{
    LLVMContextRef context = LLVMGetModuleContext(llvm);
    struct widening widening = {.builder = LLVMCreateBuilderInContext(context),
                                .i32 = LLVMInt32TypeInContext(context),
                                .i64 = LLVMInt64TypeInContext(context)};
    for (LLVMValueRef function = LLVMGetFirstFunction(llvm); function; function = LLVMGetNextFunction(function))
        if (LLVMGetFirstBasicBlock(function))
            function_widen(&widening, function);
    free(widening.order);
    free(widening.extensions);
    LLVMDisposeBuilder(widening.builder);
}
