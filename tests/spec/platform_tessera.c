/* The conformance driver's platform on Tessera: the WASI library's trap thread does it all. It looks after the first
 * thread only: a trap of another ends the process, which no script wants. */
#include "platform.h"
#include "runtime/runtime.h"
#include "runtime/thread.h"
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
    if (wasm_platform_thread() == 0)
        return trap_run(function, argument);
    function(argument);
    return TRAP_NONE;
}
