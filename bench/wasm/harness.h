/* What the programs of bench/wasm share: each defines one benchmark and its round; harness.c measures rounds and
 * verifies the checksum of each. A program uses no library, so that the same source is also native code without one. */
#ifndef BENCH_WASM_HARNESS_H
#define BENCH_WASM_HARNESS_H

#include <stddef.h>
#include <stdint.h>

struct benchmark {
    const char *name;
    uint32_t rounds;   /* about a second's worth on a CPU of these years */
    uint32_t checksum; /* what every round yields */
};

extern const struct benchmark benchmark;

/* Does the whole work from its beginning and yields the checksum. */
uint32_t benchmark_round(void);

/* For kernels that a caller would not see into in a larger program. */
#define BENCH_NOINLINE __attribute__((noinline))

static inline uint32_t bench_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u; /* Numerical Recipes' generator */
    return *state >> 8;
}

static inline uint32_t bench_mix(uint32_t sum, uint32_t value)
{
    return (sum ^ value) * 16777619u; /* FNV-1a, by words */
}

#endif
