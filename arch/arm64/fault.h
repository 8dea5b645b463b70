/* Where entry.S enters C for exceptions. */
#ifndef ARM64_FAULT_H
#define ARM64_FAULT_H

#include <stdint.h>

struct core;
struct arch_context;

void fault_dispatch(struct core *core, uint64_t esr, uint64_t address);
void crash_report(struct arch_context *context, uint64_t kind);

#endif
