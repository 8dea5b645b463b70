/* LLVM's part: the pipeline of passes and the machine code. */
#ifndef TESSERA_AOT_CODEGEN_H
#define TESSERA_AOT_CODEGEN_H

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

#include "lower/lower.h"

enum emit { EMIT_IMAGE, EMIT_OBJECT, EMIT_LLVM, EMIT_ASSEMBLY };

struct codegen {
    LLVMTargetMachineRef machine;
    unsigned level;   /* 0 to 3 */
    bool is_verified; /* LLVM's checker looks at every module before and after the passes: it finds bugs of ours */
};

/* Once in a process, before anything else here. */
void codegen_initialise(enum target target);

/* Errors of LLVM are printed: they are bugs of ours or a broken installation. */
bool codegen_open(struct codegen *codegen, enum target target, unsigned level, bool is_verified);
void codegen_close(struct codegen *codegen);

/* Runs LLVM's pipeline for the level, puts memories at their addresses, and makes ready for the code generator. */
bool codegen_optimise(const struct codegen *codegen, LLVMModuleRef llvm);

/* Object code, assembly or LLVM's text; the caller disposes of the buffer. NULL: printed. */
LLVMMemoryBufferRef codegen_emit(const struct codegen *codegen, LLVMModuleRef llvm, enum emit emit);

#endif
