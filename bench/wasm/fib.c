/* Fibonacci numbers by recursion: nothing but calls. */
#include "harness.h"

const struct benchmark benchmark = {.name = "fib", .rounds = 12, .checksum = 24157817};

BENCH_NOINLINE static uint32_t fib(uint32_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

uint32_t benchmark_round(void)
{
    return fib(37);
}
