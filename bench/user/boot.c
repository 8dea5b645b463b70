/* boot_to_wasm: the monotonic clock begins at the kernel's entry, so the first thing that a module reads of it is how
 * long the way to it took. The counter is checked afterwards, by a child: no other program runs before.
 */
#include <stdint.h>
#include <stdio.h>
#include <tessera.h>
#include <time.h>

static struct timespec first;

/* Before main and before wasi-libc has looked at arguments and descriptors. */
__attribute__((constructor(101))) static void read_clock(void)
{
    clock_gettime(CLOCK_MONOTONIC, &first);
}

static int counter_is_exact(void)
{
    static const char name[] = "calibrate";
    struct tessera_process_handles handles;
    struct tessera_option_pid pid = {0, 0};
    struct tessera_join_status status;
    return tessera_proc_spawn(name, sizeof(name) - 1, 0, "", 0, "", 0, TESSERA_STDIO_NULL, TESSERA_STDIO_INHERIT,
                              TESSERA_STDIO_INHERIT, "", 0, &handles) == 0 &&
           tessera_proc_join(&pid, 0, &status) == 0 && status.type == TESSERA_JOIN_EXIT_NORMAL && status.exit_code == 0;
}

int main(void)
{
    if (!counter_is_exact())
        return 1;
    printf("bench boot_to_wasm %llu\nbench end\n",
           (unsigned long long)first.tv_sec * 1000000000u + (unsigned)first.tv_nsec);
    return 0;
}
