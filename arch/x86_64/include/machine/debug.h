/* x86-64: debug registers. What must be here: arch/debug.h. */
#ifndef MACHINE_DEBUG_H
#define MACHINE_DEBUG_H

#define ARCH_BREAKPOINTS_MAX       4
#define ARCH_INSTRUCTION_ALIGNMENT 1

#endif
