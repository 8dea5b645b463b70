/* How the kernel's rows are measured: the smallest average over BATCHES batches of OPERATIONS operations. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "harness.h"

#define BATCHES    20
#define OPERATIONS 1000

#define PRIORITY 100

static inline void report(const char *name, word total, word operations)
{
    word hundredths = total * 100 / operations;
    say("bench %s %u.%c%c\n", name, hundredths / 100, '0' + hundredths / 10 % 10, '0' + hundredths % 10);
}

/* Runs the statement OPERATIONS times a batch; `best` is what the smallest batch took. */
#define MEASURE_BEST(best, ...)                                                                                        \
    do {                                                                                                               \
        best = ~0ul;                                                                                                   \
        for (int batch = 0; batch < BATCHES; batch++) {                                                                \
            word begin = counter_read();                                                                               \
            for (int i = 0; i < OPERATIONS; i++) {                                                                     \
                __VA_ARGS__;                                                                                           \
            }                                                                                                          \
            word took = counter_read() - begin;                                                                        \
            best = took < best ? took : best;                                                                          \
        }                                                                                                              \
    } while (0)

#define MEASURE(name, ...)                                                                                             \
    do {                                                                                                               \
        word best;                                                                                                     \
        MEASURE_BEST(best, __VA_ARGS__);                                                                               \
        report(name, best, OPERATIONS);                                                                                \
    } while (0)

#endif
