/* LLVM's pipeline and code generators; codegen.h has the contract. */
#include "codegen.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdio.h>
#include <string.h>

/* The baseline CPUs of docs/aot.md. */
struct target_description {
    const char *triple, *cpu, *features;
};

static const struct target_description descriptions[] = {
    [TARGET_X86_64] = {"x86_64-unknown-none-elf", "x86-64-v2", ""},
    [TARGET_ARM64] = {"aarch64-unknown-none-elf", "generic", "+v8.1a"},
};

static void target_initialise(enum target target)
{
    if (target == TARGET_X86_64) {
        LLVMInitializeX86TargetInfo();
        LLVMInitializeX86Target();
        LLVMInitializeX86TargetMC();
        LLVMInitializeX86AsmPrinter();
        LLVMInitializeX86AsmParser();
    } else {
        LLVMInitializeAArch64TargetInfo();
        LLVMInitializeAArch64Target();
        LLVMInitializeAArch64TargetMC();
        LLVMInitializeAArch64AsmPrinter();
        LLVMInitializeAArch64AsmParser();
    }
}

/* What only LLVM's command line can set; once in a process.
 *
 * Loop strength reduction runs before the indices are made wide (codegen_optimise), not in the code generator: it knows
 * narrow induction variables only.
 *
 * LLVM takes the baseline CPU for one with a loop buffer of 28 operations and unrolls no further; the CPUs of today
 * have larger ones or none.
 *
 * On arm64 LLVM makes a tree of comparisons of a switch with fewer than 13 targets; an interpreter's dispatch is half
 * as long with a table.
 *
 * The code generator merges equal ends of blocks, traps too, whatever `nomerge` says: then one instruction would stand
 * for several operators, and no report could tell which one trapped. Without it code is 2 % larger and no slower.
 *
 * Frames are set up first of all, not behind early exits: else a trap before would not show the function's caller. That
 * costs nothing that can be measured.
 *
 * Indices stay 32 bits wide. Widened to 64 they must be cut again before each access, and LLVM narrows that mask by the
 * bits that alignment leaves zero, so that it is no longer the free zero extension; nor can an address become a
 * displacement. Loops over arrays at constant addresses lose half their speed by it. */
static void configure_llvm(void)
{
    static const char *const arguments[] = {"tessera-aot",
                                            "-disable-lsr",
                                            "-unroll-partial-threshold=150",
                                            "-aarch64-min-jump-table-entries=8",
                                            "-indvars-widen-indvars=false",
                                            "-enable-tail-merge=false",
                                            "-enable-shrink-wrap=false"};
    LLVMParseCommandLineOptions((int)(sizeof arguments / sizeof arguments[0]), arguments, NULL);
}

static bool fail(char *message)
{
    fprintf(stderr, "tessera-aot: LLVM: %s\n", message ? message : "unknown error");
    LLVMDisposeMessage(message);
    return false;
}

bool codegen_open(struct codegen *codegen, enum target target, unsigned level)
{
    static const LLVMCodeGenOptLevel levels[] = {LLVMCodeGenLevelNone, LLVMCodeGenLevelLess, LLVMCodeGenLevelDefault,
                                                 LLVMCodeGenLevelAggressive};
    const struct target_description *description = &descriptions[target];
    LLVMTargetRef llvm_target;
    char *message = NULL;
    target_initialise(target);
    configure_llvm();
    if (LLVMGetTargetFromTriple(description->triple, &llvm_target, &message))
        return fail(message);
    codegen->level = level;
    codegen->machine = LLVMCreateTargetMachine(llvm_target, description->triple, description->cpu,
                                               description->features, levels[level], LLVMRelocPIC, LLVMCodeModelSmall);
    return codegen->machine != NULL;
}

void codegen_close(struct codegen *codegen)
{
    LLVMDisposeTargetMachine(codegen->machine);
}

static void set_target(const struct codegen *codegen, LLVMModuleRef llvm)
{
    char *triple = LLVMGetTargetMachineTriple(codegen->machine);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(codegen->machine);
    LLVMSetTarget(llvm, triple);
    LLVMSetModuleDataLayout(llvm, layout);
    LLVMDisposeTargetData(layout);
    LLVMDisposeMessage(triple);
}

static bool run_passes(const struct codegen *codegen, LLVMModuleRef llvm, const char *passes)
{
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(llvm, passes, codegen->machine, options);
    LLVMDisposePassBuilderOptions(options);
    if (!error)
        return true;
    char *text = LLVMGetErrorMessage(error);
    fprintf(stderr, "tessera-aot: LLVM: %s\n", text);
    LLVMDisposeErrorMessage(text);
    return false;
}

static bool verify(LLVMModuleRef llvm)
{
    char *message = NULL;
    if (LLVMVerifyModule(llvm, LLVMReturnStatusAction, &message))
        return fail(message);
    LLVMDisposeMessage(message);
    return true;
}

bool codegen_optimise(const struct codegen *codegen, LLVMModuleRef llvm)
{
    set_target(codegen, llvm);
    if (!verify(llvm))
        return false;
    char passes[] = "default<O0>";
    passes[strlen(passes) - 2] = (char)('0' + codegen->level);
    if (!run_passes(codegen, llvm, passes))
        return false;
    lower_place_memories(llvm);
    if (codegen->level == 0)
        return true;
    if (!run_passes(codegen, llvm, "function(loop-simplify,lcssa,loop(loop-reduce))"))
        return false;
    lower_widen_indices(llvm);
    return verify(llvm);
}

LLVMMemoryBufferRef codegen_emit(const struct codegen *codegen, LLVMModuleRef llvm, enum emit emit)
{
    LLVMMemoryBufferRef buffer = NULL;
    char *message = NULL;
    if (emit == EMIT_LLVM) {
        char *text = LLVMPrintModuleToString(llvm);
        buffer = LLVMCreateMemoryBufferWithMemoryRangeCopy(text, strlen(text), "llvm");
        LLVMDisposeMessage(text);
        return buffer;
    }
    LLVMCodeGenFileType type = emit == EMIT_ASSEMBLY ? LLVMAssemblyFile : LLVMObjectFile;
    if (LLVMTargetMachineEmitToMemoryBuffer(codegen->machine, llvm, type, &message, &buffer)) {
        fail(message);
        return NULL;
    }
    return buffer;
}
