/* Traps that a program survives: for the conformance driver and whoever runs code that may trap.
 *
 * The first call starts the process's trap thread (permission trap_thread): a second thread with a stack of its own
 * that receives the first one's faults and sets it back to where the call was made. Everything of this kind happens
 * inside the process; nobody else's authority is involved.
 */
#ifndef WASI_TRAP_H
#define WASI_TRAP_H

#include <stdint.h>

#include "aot/image/image.h"

/* Runs function(argument). TRAP_NONE when it returned, else the kind of the trap that ended it; the stack is then as it
 * was before the call. Not to be nested. Ends the process when the permission is missing. */
enum trap_kind trap_run(void (*function)(void *), void *argument);

/* Writes to the console, as the process's standard output. */
void trap_print(const char *text, uint64_t length);

#endif
