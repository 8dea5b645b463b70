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
 * displacement. Loops over arrays at constant addresses lose half their speed by it.
 *
 * A block that several others jump to, such as an interpreter's dispatch or the head of a state machine's loop, is
 * copied into them when it has up to 12 instructions (6 before registers are assigned; LLVM's limits are 2), and blocks
 * are placed by the edges that are likely to be taken rather than by loops alone. Code gets some 6 % larger for it.
 *
 * Expressions about loops may grow to 4096 terms, each of which is gone through again and again: a few hundred loops
 * one after the other that use what the ones before have computed would take minutes. */
static void configure_llvm(void)
{
    static const char *const arguments[] = {"tessera-aot",
                                            "-disable-lsr",
                                            "-unroll-partial-threshold=150",
                                            "-aarch64-min-jump-table-entries=8",
                                            "-indvars-widen-indvars=false",
                                            "-enable-tail-merge=false",
                                            "-enable-shrink-wrap=false",
                                            "-tail-dup-size=6",
                                            "-tail-dup-placement-threshold=12",
                                            "-enable-ext-tsp-block-placement",
                                            "-scalar-evolution-huge-expr-threshold=64"};
    LLVMParseCommandLineOptions((int)(sizeof arguments / sizeof arguments[0]), arguments, NULL);
}

static bool fail(char *message)
{
    fprintf(stderr, "tessera-aot: LLVM: %s\n", message ? message : "unknown error");
    LLVMDisposeMessage(message);
    return false;
}

void codegen_initialise(enum target target)
{
    target_initialise(target);
    configure_llvm();
}

bool codegen_open(struct codegen *codegen, enum target target, unsigned level, bool is_verified)
{
    static const LLVMCodeGenOptLevel levels[] = {LLVMCodeGenLevelNone, LLVMCodeGenLevelLess, LLVMCodeGenLevelDefault,
                                                 LLVMCodeGenLevelAggressive};
    const struct target_description *description = &descriptions[target];
    LLVMTargetRef llvm_target;
    char *message = NULL;
    if (LLVMGetTargetFromTriple(description->triple, &llvm_target, &message))
        return fail(message);
    codegen->level = level;
    codegen->is_verified = is_verified;
    codegen->machine = LLVMCreateTargetMachine(llvm_target, description->triple, description->cpu,
                                               description->features, levels[level], LLVMRelocPIC, LLVMCodeModelSmall);
    if (!codegen->machine)
        return fail(NULL);
    if (level == 0) { /* LLVM's choice for arm64 is another, slower instruction selector */
        LLVMSetTargetMachineGlobalISel(codegen->machine, false);
        LLVMSetTargetMachineFastISel(codegen->machine, true);
    }
    return true;
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
    LLVMPassBuilderOptionsSetLoopVectorization(options, false); /* accesses are volatile: there is nothing to gain */
    LLVMPassBuilderOptionsSetSLPVectorization(options, false);
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

/* LLVM's default<O2> without what finds nothing in code that comes from WebAssembly, where every access to memory is
 * volatile and no call is one to a function that LLVM knows by name (vectorisers, what moves, joins or drops stores,
 * propagation of values between functions, coroutines, OpenMP), and with fewer rounds of what is repeated. */
#define SIMPLIFY_CFG "simplifycfg<bonus-inst-threshold=1;switch-range-to-icmp;keep-loops>"
#define SINK_CFG                                                                                                       \
    "simplifycfg<bonus-inst-threshold=1;switch-range-to-icmp;keep-loops;hoist-common-insts;sink-common-insts>"
#define LATE_CFG                                                                                                       \
    "simplifycfg<bonus-inst-threshold=1;forward-switch-cond;switch-range-to-icmp;switch-to-lookup;no-keep-loops;"      \
    "hoist-common-insts;sink-common-insts>"
#define COMBINE "instcombine<max-iterations=1;no-use-loop-info;no-verify-fixpoint>"

static const char passes_2[] =
    "function<eager-inv>(simplifycfg<bonus-inst-threshold=1;keep-loops>,sroa<modify-cfg>,early-cse<>," COMBINE
    "," SIMPLIFY_CFG "),"
    "require<globals-aa>,function(invalidate<aa>),require<profile-summary>,"
    "cgscc(devirt<4>(inline,function-attrs<skip-non-recursive-function-attrs>,"
    "function<eager-inv;no-rerun>(sroa<modify-cfg>,early-cse<memssa>,jump-threading,correlated-"
    "propagation," SIMPLIFY_CFG "," COMBINE ",aggressive-instcombine," SIMPLIFY_CFG ",reassociate,"
    "loop-mssa(loop-instsimplify,loop-simplifycfg,licm<no-allowspeculation>,loop-rotate<header-duplication>,"
    "licm<allowspeculation>,simple-loop-unswitch<no-nontrivial;trivial>)," SIMPLIFY_CFG "," COMBINE
    ",loop(loop-idiom,indvars,simple-loop-unswitch<no-nontrivial;trivial>,loop-deletion,loop-unroll-full),"
    "sroa<modify-cfg>,vector-combine,gvn<>,sccp,bdce," COMBINE ",jump-threading,correlated-propagation,adce,"
    "loop-mssa(licm<allowspeculation>)," SINK_CFG "," COMBINE "),function-attrs)),"
    "globalopt,globaldce,elim-avail-extern,recompute-globalsaa,"
    "function<eager-inv>(loop(loop-rotate<header-duplication>,loop-deletion)," LATE_CFG
    ",vector-combine,loop-unroll<O2>,"
    "sroa<preserve-cfg>," COMBINE ",loop-mssa(licm<allowspeculation>),instsimplify,div-rem-pairs," SIMPLIFY_CFG "),"
    "globaldce";

/* Without optimisation no pass is needed: the code generator takes what the lowering makes. */
static bool optimise(const struct codegen *codegen, LLVMModuleRef llvm)
{
    static const char *const passes[] = {NULL, "default<O1>", passes_2, "default<O3>"};
    if (!run_passes(codegen, llvm, passes[codegen->level]))
        return false;
    lower_place_memories(llvm);
    if (!run_passes(codegen, llvm, "function(loop-simplify,lcssa,loop(loop-reduce))"))
        return false;
    lower_clear_exits(llvm);
    lower_widen_indices(llvm);
    return true;
}

bool codegen_optimise(const struct codegen *codegen, LLVMModuleRef llvm)
{
    set_target(codegen, llvm);
    if (codegen->is_verified && !verify(llvm))
        return false;
    if (codegen->level == 0)
        lower_place_memories(llvm);
    else if (!optimise(codegen, llvm))
        return false;
    return !codegen->is_verified || verify(llvm);
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
