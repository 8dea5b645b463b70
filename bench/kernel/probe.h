/* How long the kernel holds an interrupt up: a thread of high priority, the observer, waits for a timer that falls due
 * at the moments that matter.
 *
 * While the kernel works with interrupts off, a timer that falls due waits the longer the earlier it does so. So the
 * worst moment of each stretch is its first instruction, and the probe aims there. All system calls of the program (it
 * is compiled with TESSERA_SYSCALL_MODEL) pass probe_call, which sets the timer so that it falls due as the kernel is
 * entered. A call that is interrupted between two of its steps begins anew: the observer has set the timer to fall due
 * then. So every step of every call is met at its beginning, wherever the compiler put it and however rare it is. How
 * far ahead of these two moments the timer must be set is learnt at the start.
 *
 * Not met this way is what kernel code does when no system call is its reason: faults, other interrupts.
 */
#ifndef BENCH_PROBE_H
#define BENCH_PROBE_H

#include "harness.h"

#if defined(__x86_64__)
#define INSTRUCTIONS_PER_TICK 1
#else
#define INSTRUCTIONS_PER_TICK 16
#endif

#define PRIORITY_OBSERVER 250

/* Makes the observer, and learns: `long_call` makes one call of more than a thousand steps, each of more than 400
 * instructions. Returns how late the observer runs when a user loop is interrupted: what is taken off all samples. */
word probe_start(void (*long_call)(void));
/* The longest stretch, in instructions, while `run` is repeated, with 2^life_bits of memory. */
word probe_longest(void (*run)(void), word life_bits);
/* The system call itself; while a case runs, with the timer falling due at its first instruction. */
enum error probe_call(enum syscall number, word *destination, struct message *m);
/* For parts of a case that are not of interest: off, and on again. Returns what was before. */
bool probe_switch(bool is_on);
/* How much later than usual the observer is when its timer is due at this tick. */
word probe_late(word tick);

#endif
