/* What the conformance driver needs of the system it runs on, beside what every program needs (runtime/runtime.h). */
#ifndef TESTS_SPEC_PLATFORM_H
#define TESTS_SPEC_PLATFORM_H

#include <stddef.h>

#include "image/image.h"

void spec_platform_print(const char *text, size_t length);

_Noreturn void spec_platform_exit(int status);

/* Runs function(argument). TRAP_NONE when it returned, else the kind of the trap that ended it: the stack
 * is then as it was before the call, and the program goes on. */
enum trap_kind spec_platform_run(void (*function)(void *), void *argument);

#endif
