/* Whether the clock counts instructions.
 *
 * Under QEMU's -icount shift=0 one executed instruction is one nanosecond. A loop that follows pointers is, as
 * machine code, a load, a branch, a test before it where the machine needs one, and a zero extension where the
 * translator leaves one: 2 to 4 instructions. When a long run of it takes 2.00, 3.00 or 4.00 ns a step, nanoseconds are
 * instructions; on any other clock that would be an accident.
 */
#ifndef DEMOS_LIB_INSTRUCTIONS_H
#define DEMOS_LIB_INSTRUCTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* What a step of the loop takes now, in hundredths of a nanosecond; 0 when there is no memory to walk through. */
uint32_t pointer_step_hundredths_ns(void);
bool instructions_are_nanoseconds(uint32_t hundredths_ns);

#endif
