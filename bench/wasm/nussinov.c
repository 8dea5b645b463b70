/* The secondary structure of an RNA strand by dynamic programming (Nussinov), the loops as PolyBench has them. */
#include "harness.h"

enum { LENGTH = 500 };

const struct benchmark benchmark = {.name = "nussinov", .rounds = 55, .checksum = 0xdceaa9c0};

static uint8_t strand[LENGTH];
static int32_t scores[LENGTH][LENGTH];

static inline int32_t greater(int32_t a, int32_t b)
{
    return a >= b ? a : b;
}

static inline int32_t pairs(uint8_t a, uint8_t b)
{
    return a + b == 3;
}

static void initialise(void)
{
    for (int i = 0; i < LENGTH; i++) {
        strand[i] = (uint8_t)((i + 1) % 4);
        for (int j = 0; j < LENGTH; j++)
            scores[i][j] = 0;
    }
}

BENCH_NOINLINE static void fold(const uint8_t sequence[LENGTH], int32_t table[LENGTH][LENGTH])
{
    for (int i = LENGTH - 1; i >= 0; i--)
        for (int j = i + 1; j < LENGTH; j++) {
            table[i][j] = greater(table[i][j], table[i][j - 1]);
            if (i + 1 < LENGTH) {
                table[i][j] = greater(table[i][j], table[i + 1][j]);
                int32_t bonus = i < j - 1 ? pairs(sequence[i], sequence[j]) : 0;
                table[i][j] = greater(table[i][j], table[i + 1][j - 1] + bonus);
            }
            for (int k = i + 1; k < j; k++)
                table[i][j] = greater(table[i][j], table[i][k] + table[k + 1][j]);
        }
}

uint32_t benchmark_round(void)
{
    uint32_t sum = 0;
    initialise();
    fold(strand, scores);
    for (int i = 0; i < LENGTH; i++)
        for (int j = i; j < LENGTH; j++)
            sum = bench_mix(sum, (uint32_t)scores[i][j]);
    return sum;
}
