/* Runs a benchmark: `PROGRAM [ROUNDS]`. Prints `bench NAME SECONDS`, the thread's CPU time where the system tells it,
 * or what went wrong with exit status 1. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#ifdef __wasi__
#include <wasi/api.h>
#endif

/* Nanoseconds. wasi-libc hides CPU time clocks; WASI has them. */
static uint64_t now(void)
{
#ifdef __wasi__
    uint64_t time = 0;
    if (__wasi_clock_time_get(__WASI_CLOCKID_THREAD_CPUTIME_ID, 1, &time) != 0)
        (void)!__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 1, &time);
    return time;
#else
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
#endif
}

/* Looked up each time, so that no compiler moves work out of the loop over rounds. */
static uint32_t (*volatile const one_round)(void) = benchmark_round;

int main(int count, char **arguments)
{
    uint32_t rounds = count > 1 ? (uint32_t)strtoul(arguments[1], NULL, 10) : benchmark.rounds;
    uint64_t begin = now();
    for (uint32_t round = 0; round < rounds; round++) {
        uint32_t checksum = one_round();
        if (checksum != benchmark.checksum) {
            printf("%s: round %u yields %08x, not %08x\n", benchmark.name, (unsigned)round, (unsigned)checksum,
                   (unsigned)benchmark.checksum);
            return 1;
        }
    }
    printf("bench %s %.6f\n", benchmark.name, (double)(now() - begin) * 1e-9);
    return 0;
}
