/* Whether the clock counts instructions.
 *
 * Under QEMU's -icount shift=0 one executed instruction is one nanosecond. A loop that follows pointers is, as
 * machine code, a load, a test where the machine needs one, and a branch: exactly 3 instructions on x86-64 and 2 on
 * arm64. When a long run of it takes 3.00 or 2.00 ns a step, nanoseconds are instructions; on any other clock that
 * would be an accident.
 */
#ifndef DEMOS_LIB_INSTRUCTIONS_H
#define DEMOS_LIB_INSTRUCTIONS_H

#include <stdbool.h>

bool instructions_are_nanoseconds(void);

#endif
