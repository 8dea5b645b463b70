/* C = alpha A B + beta C in doubles, the loops in PolyBench's order. */
#include "harness.h"

enum { ROWS = 200, COLUMNS = 220, DEPTH = 240 };

const struct benchmark benchmark = {.name = "gemm", .rounds = 450, .checksum = 0xcedbdd77};

static double a[ROWS][DEPTH], b[DEPTH][COLUMNS], c[ROWS][COLUMNS];

static void initialise(void)
{
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++)
            c[i][j] = (double)((i * j + 1) % ROWS) / ROWS;
    for (int i = 0; i < ROWS; i++)
        for (int k = 0; k < DEPTH; k++)
            a[i][k] = (double)(i * (k + 1) % DEPTH) / DEPTH;
    for (int k = 0; k < DEPTH; k++)
        for (int j = 0; j < COLUMNS; j++)
            b[k][j] = (double)(k * (j + 2) % COLUMNS) / COLUMNS;
}

BENCH_NOINLINE static void multiply(double alpha, double beta, double to[ROWS][COLUMNS], double left[ROWS][DEPTH],
                                    double right[DEPTH][COLUMNS])
{
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < COLUMNS; j++)
            to[i][j] *= beta;
        for (int k = 0; k < DEPTH; k++)
            for (int j = 0; j < COLUMNS; j++)
                to[i][j] += alpha * left[i][k] * right[k][j];
    }
}

uint32_t benchmark_round(void)
{
    uint32_t sum = 0;
    initialise();
    multiply(1.5, 1.2, c, a, b);
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++)
            sum = bench_mix(sum, (uint32_t)(int64_t)(c[i][j] * 65536.0));
    return sum;
}
