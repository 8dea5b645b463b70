/* boot_to_wasm: the monotonic clock begins at the kernel's entry, so the first thing that a module reads of it is how
 * long the way to it took.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static struct timespec first;

/* Before main and before wasi-libc has looked at arguments and descriptors. */
__attribute__((constructor(101))) static void read_clock(void)
{
    clock_gettime(CLOCK_MONOTONIC, &first);
}

int main(void)
{
    printf("bench boot_to_wasm %llu\nbench end\n",
           (unsigned long long)first.tv_sec * 1000000000u + (unsigned)first.tv_nsec);
    return 0;
}
