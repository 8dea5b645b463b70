/* The conformance driver's platform on Tessera: the WASI library's trap thread does it all. */
#include "platform.h"
#include "runtime/runtime.h"
#include "servers/wasi/trap.h"

void spec_platform_print(const char *text, size_t length)
{
    trap_print(text, length);
}

_Noreturn void spec_platform_exit(int status)
{
    wasm_platform_exit(status);
}

enum trap_kind spec_platform_run(void (*function)(void *), void *argument)
{
    return trap_run(function, argument);
}
