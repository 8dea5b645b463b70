/* What entry.S calls for vectors 0 to 31. */
#ifndef X86_64_FAULT_H
#define X86_64_FAULT_H

#include <stdint.h>

struct core;
struct crash_frame;
struct arch_context;

/* From user mode; the registers are saved. */
void exception_arrived(struct core *core, uint64_t vector, uint64_t error);

/* debug.c: #DB from user mode. */
void debug_exception(struct core *core, struct arch_context *c);

/* From kernel mode, and NMI, #DF and #MC from anywhere. */
_Noreturn void exception_fatal(struct core *core, const struct crash_frame *frame);

#endif
