/* The arch contract, 10: hardware breakpoints and single-stepping.
 *
 * struct debug_state is part of a TCB and written by portable code. Machine code turns it into registers when such a
 * thread comes to run and tells kernel_debug (upcalls.h) what happened.
 */
#ifndef ARCH_DEBUG_H
#define ARCH_DEBUG_H

#include <abi/object.h>
#include <arch/types.h>

struct core;
struct arch_context;

#include <machine/debug.h>
/* <machine/debug.h> defines:
 *
 *   ARCH_BREAKPOINTS_MAX          no machine of this kind has more
 *   ARCH_INSTRUCTION_ALIGNMENT    of addresses of instructions
 */

struct breakpoint {
    word address;
    uint8_t kind, bytes; /* bytes 0: not set; to execute: 1 */
};

struct debug_state {
    struct breakpoint breakpoints[ARCH_BREAKPOINTS_MAX];
    word step_count, steps_left; /* single-stepping reports every step_count instructions; 0: off */
    word passed_pc;              /* machine code's own: where one was met that is to be passed now, or 0 */
    uint8_t passed_kind;
};

/* How many there are: numbers 0 .. count - 1. */
unsigned arch_breakpoint_count(void);
/* What a breakpoint of this number can be: bit i for enum breakpoint_kind i. */
word arch_breakpoint_kinds(unsigned number);

/* The running thread's state from now on: its breakpoints and nobody else's are armed, for user mode only. NULL: none.
 * `state` stays in use until the next call. */
void arch_debug_load(struct core *core, struct debug_state *state, struct arch_context *c);
/* Single-stepping begins or ends for the thread with these registers, which are not live. */
void arch_debug_step(struct arch_context *c, bool on);

#endif
