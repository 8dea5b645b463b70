/* arm64: breakpoint and watchpoint registers. What must be here: arch/debug.h. */
#ifndef MACHINE_DEBUG_H
#define MACHINE_DEBUG_H

#define ARCH_BREAKPOINTS_MAX       32 /* 16 of each kind (Arm ARM DDI 0487, D19.2.59) */
#define ARCH_INSTRUCTION_ALIGNMENT 4

#endif
