/* Code generation in several processes: LLVM's code generator works on one module at a time, and the whole module is
 * what is optimised. So the process forks once it is, and each child keeps the bodies of its own functions only; the
 * first keeps the variables too. Which function belongs to which child follows from sizes, never from the number of
 * processors. */
#include "parallel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"

/* A child costs some milliseconds and a copy of what it drops. */
#define INSTRUCTIONS_PER_PART 50000u
#define MAXIMUM_PARTS         32u

static uint64_t instruction_count(LLVMValueRef function)
{
    uint64_t count = 0;
    for (LLVMBasicBlockRef block = LLVMGetFirstBasicBlock(function); block; block = LLVMGetNextBasicBlock(block))
        for (LLVMValueRef value = LLVMGetFirstInstruction(block); value; value = LLVMGetNextInstruction(value))
            count++;
    return count;
}

static uint64_t module_instruction_count(LLVMModuleRef llvm)
{
    uint64_t count = 0;
    for (LLVMValueRef function = LLVMGetFirstFunction(llvm); function; function = LLVMGetNextFunction(function))
        count += instruction_count(function);
    return count;
}

unsigned parallel_part_count(LLVMModuleRef llvm)
{
    uint64_t parts = module_instruction_count(llvm) / INSTRUCTIONS_PER_PART;
    return parts < 1 ? 1 : parts > MAXIMUM_PARTS ? MAXIMUM_PARTS : (unsigned)parts;
}

/* ---- names across objects ---- */

static bool is_local(LLVMValueRef symbol)
{
    LLVMLinkage linkage = LLVMGetLinkage(symbol);
    return linkage == LLVMInternalLinkage || linkage == LLVMPrivateLinkage;
}

static void publish(LLVMValueRef symbol)
{
    LLVMSetLinkage(symbol, LLVMExternalLinkage);
    LLVMSetVisibility(symbol, LLVMHiddenVisibility);
}

static void make_unique(LLVMValueRef symbol, const char *instance, unsigned number)
{
    char *name = format_text("%s$made%u", instance, number);
    LLVMSetValueName2(symbol, name, strlen(name));
    free(name);
}

/* Functions are unique in the program by their names ("wasm.NAME", "INSTANCE.NAME"), and what has a $ is; the ways to
 * native functions, and variables that LLVM made, are unique in their module. */
static void publish_locals(LLVMModuleRef llvm, const char *instance)
{
    static const char import[] = "wasm.import.";
    unsigned number = 0;
    for (LLVMValueRef symbol = LLVMGetFirstFunction(llvm); symbol; symbol = LLVMGetNextFunction(symbol)) {
        size_t length;
        if (!is_local(symbol))
            continue;
        if (strncmp(LLVMGetValueName2(symbol, &length), import, strlen(import)) == 0)
            make_unique(symbol, instance, number++);
        publish(symbol);
    }
    for (LLVMValueRef symbol = LLVMGetFirstGlobal(llvm); symbol; symbol = LLVMGetNextGlobal(symbol)) {
        size_t length;
        const char *name = LLVMGetValueName2(symbol, &length);
        if (!is_local(symbol))
            continue;
        if (!strchr(name, '$'))
            make_unique(symbol, instance, number++);
        publish(symbol);
    }
}

/* ---- what a child keeps ---- */

static void instructions_delete(LLVMValueRef function)
{
    for (LLVMBasicBlockRef block = LLVMGetFirstBasicBlock(function); block; block = LLVMGetNextBasicBlock(block)) {
        LLVMValueRef next;
        for (LLVMValueRef value = LLVMGetFirstInstruction(block); value; value = next) {
            next = LLVMGetNextInstruction(value);
            if (LLVMGetFirstUse(value))
                LLVMReplaceAllUsesWith(value, LLVMGetPoison(LLVMTypeOf(value)));
            LLVMInstructionEraseFromParent(value);
        }
    }
}

static void body_delete(LLVMValueRef function)
{
    LLVMBasicBlockRef next;
    instructions_delete(function);
    LLVMGlobalEraseMetadata(function, LLVMGetMDKindIDInContext(LLVMGetTypeContext(LLVMTypeOf(function)), "dbg", 3));
    for (LLVMBasicBlockRef block = LLVMGetFirstBasicBlock(function); block; block = next) {
        next = LLVMGetNextBasicBlock(block);
        LLVMDeleteBasicBlock(block);
    }
}

/* An alias goes with the function it names; elsewhere both are there for LLVM to see but not emitted. */
static void aliases_withhold(LLVMModuleRef llvm, const bool *is_kept_by_position)
{
    size_t position = 0;
    for (LLVMValueRef function = LLVMGetFirstFunction(llvm); function; function = LLVMGetNextFunction(function)) {
        if (is_kept_by_position[position++])
            continue;
        for (LLVMValueRef alias = LLVMGetFirstGlobalAlias(llvm); alias; alias = LLVMGetNextGlobalAlias(alias))
            if (LLVMAliasGetAliasee(alias) == function) {
                LLVMSetLinkage(alias, LLVMAvailableExternallyLinkage);
                LLVMSetLinkage(function, LLVMAvailableExternallyLinkage);
            }
    }
}

static size_t function_count(LLVMModuleRef llvm)
{
    size_t count = 0;
    for (LLVMValueRef function = LLVMGetFirstFunction(llvm); function; function = LLVMGetNextFunction(function))
        count++;
    return count;
}

/* Part `part` of `count`: the functions whose first instruction falls into its share of all. */
static void part_keep(LLVMModuleRef llvm, unsigned part, unsigned count)
{
    uint64_t total = module_instruction_count(llvm), before = 0;
    bool *is_kept = allocate(function_count(llvm), sizeof *is_kept);
    size_t position = 0;
    for (LLVMValueRef function = LLVMGetFirstFunction(llvm); function; function = LLVMGetNextFunction(function)) {
        uint64_t own = instruction_count(function);
        is_kept[position++] = own == 0 || before * count / total == part;
        before += own;
    }
    aliases_withhold(llvm, is_kept);
    position = 0;
    for (LLVMValueRef function = LLVMGetFirstFunction(llvm); function; function = LLVMGetNextFunction(function))
        if (!is_kept[position++] && LLVMGetLinkage(function) != LLVMAvailableExternallyLinkage)
            body_delete(function);
    for (LLVMValueRef symbol = LLVMGetFirstGlobal(llvm); symbol && part > 0; symbol = LLVMGetNextGlobal(symbol))
        if (LLVMGetInitializer(symbol))
            LLVMSetLinkage(symbol, LLVMAvailableExternallyLinkage);
    free(is_kept);
}

/* ---- children ---- */

static bool part_emit(const struct codegen *codegen, LLVMModuleRef llvm, const char *file)
{
    LLVMMemoryBufferRef buffer = codegen_emit(codegen, llvm, EMIT_OBJECT);
    if (!buffer)
        return false;
    if (write_file(file, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer), false))
        return true;
    fprintf(stderr, "%s: %s\n", file, strerror(errno));
    return false;
}

/* Waits for one child and says how it ended. */
static bool await_child(void)
{
    int status;
    while (wait(&status) < 0)
        if (errno != EINTR)
            return false;
    if (WIFSIGNALED(status))
        fprintf(stderr, "tessera-aot: a code generator was ended by signal %d\n", WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool parallel_emit(const struct codegen *codegen, LLVMModuleRef llvm, const char *instance, char *const *files,
                   unsigned count, unsigned jobs)
{
    unsigned running = 0;
    bool is_done = true;
    publish_locals(llvm, instance);
    fflush(NULL);
    for (unsigned part = 0; part < count && is_done; part++) {
        if (running == jobs) {
            is_done = await_child();
            running--;
        }
        pid_t child = is_done ? fork() : -1;
        if (child == 0) {
            part_keep(llvm, part, count);
            _exit(part_emit(codegen, llvm, files[part]) ? 0 : 1);
        }
        if (child < 0 && is_done) {
            fprintf(stderr, "tessera-aot: cannot start a code generator: %s\n", strerror(errno));
            is_done = false;
        }
        running += child > 0;
    }
    for (; running > 0; running--)
        is_done &= await_child();
    return is_done;
}
