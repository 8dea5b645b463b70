/* Code generation in several processes. */
#ifndef TESSERA_AOT_PARALLEL_H
#define TESSERA_AOT_PARALLEL_H

#include "codegen.h"

/* How many objects an optimised module becomes: depends on its size alone, so that the result does too. */
unsigned parallel_part_count(LLVMModuleRef llvm);

/* Emits the module as `count` object files that belong together, at most `jobs` at a time. What the module kept to
 * itself becomes visible within the program, under names that begin with `instance` where LLVM made them. False: the
 * reason has been printed. */
bool parallel_emit(const struct codegen *codegen, LLVMModuleRef llvm, const char *instance, char *const *files,
                   unsigned count, unsigned jobs);

#endif
