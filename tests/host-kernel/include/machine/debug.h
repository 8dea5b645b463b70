/* Host model: two breakpoints for instructions, two for data. */
#ifndef MACHINE_DEBUG_H
#define MACHINE_DEBUG_H

#define ARCH_BREAKPOINTS_MAX       4
#define ARCH_INSTRUCTION_ALIGNMENT 4

#endif
