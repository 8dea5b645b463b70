/* The conformance driver's platform on Linux: runtime/linux does it all. */
#include "linux/linux.h"
#include "platform.h"

void spec_platform_print(const char *text, size_t length)
{
    (void)length; /* the driver's texts end with NUL */
    linux_print(1, text);
}

_Noreturn void spec_platform_exit(int status)
{
    linux_exit(status);
}

enum trap_kind spec_platform_run(void (*function)(void *), void *argument)
{
    return linux_run(function, argument);
}
