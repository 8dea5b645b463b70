/* Where entry.S enters C for exceptions. */
#ifndef ARM64_FAULT_H
#define ARM64_FAULT_H

#include <stdint.h>

/* ESR_EL1.EC of debug exceptions from EL0 */
#define CLASS_BREAKPOINT 0x30
#define CLASS_STEP       0x32
#define CLASS_WATCHPOINT 0x34

struct core;
struct arch_context;

void fault_dispatch(struct core *core, uint64_t esr, uint64_t address);
void crash_report(struct arch_context *context, uint64_t kind);

/* debug.c: the registers are cleared at boot; a debug exception of the running thread. */
void debug_start(struct core *core);
void debug_exception(struct core *core, struct arch_context *c, uint64_t class, uint64_t address);

#endif
