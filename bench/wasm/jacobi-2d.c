/* Jacobi's iteration with a star of five points on a square grid of doubles. */
#include "harness.h"

enum { SIDE = 250, STEPS = 40 };

const struct benchmark benchmark = {.name = "jacobi-2d", .rounds = 550, .checksum = 0x4d0e245a};

static double grid_a[SIDE][SIDE], grid_b[SIDE][SIDE];

static void initialise(void)
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            grid_a[i][j] = ((double)i * (j + 2) + 2) / SIDE;
            grid_b[i][j] = ((double)i * (j + 3) + 3) / SIDE;
        }
}

BENCH_NOINLINE static void iterate(int steps, double a[SIDE][SIDE], double b[SIDE][SIDE])
{
    for (int step = 0; step < steps; step++) {
        for (int i = 1; i < SIDE - 1; i++)
            for (int j = 1; j < SIDE - 1; j++)
                b[i][j] = 0.2 * (a[i][j] + a[i][j - 1] + a[i][1 + j] + a[1 + i][j] + a[i - 1][j]);
        for (int i = 1; i < SIDE - 1; i++)
            for (int j = 1; j < SIDE - 1; j++)
                a[i][j] = 0.2 * (b[i][j] + b[i][j - 1] + b[i][1 + j] + b[1 + i][j] + b[i - 1][j]);
    }
}

uint32_t benchmark_round(void)
{
    uint32_t sum = 0;
    initialise();
    iterate(STEPS, grid_a, grid_b);
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            sum = bench_mix(sum, (uint32_t)(int64_t)(grid_a[i][j] * 65536.0));
    return sum;
}
