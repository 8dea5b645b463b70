/* See guest.h. */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MODULES 32

_Noreturn void power_off(void)
{
    fflush(stdout);
    sync();
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}

_Noreturn void give_up(const char *what)
{
    printf("linux: %s failed: %s\n", what, strerror(errno));
    power_off();
}

long require(long result, const char *what)
{
    if (result < 0)
        give_up(what);
    return result;
}

void modules_load(void)
{
    for (int i = 0; i < MODULES; i++) {
        char name[16];
        snprintf(name, sizeof(name), "/module%02d", i);
        int file = open(name, O_RDONLY | O_CLOEXEC);
        if (file < 0)
            continue; /* built in */
        require(syscall(SYS_finit_module, file, "", 0), name);
        close(file);
    }
}
