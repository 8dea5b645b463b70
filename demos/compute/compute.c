/* Computes things whose results are known and checks each: integer arithmetic, recursion, memory, tables
 * (indirect calls) and floating point at its edges. Inputs pass through volatile variables, so that the
 * compiler that built the module has not already computed the answers.
 */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/check.h"

static volatile uint32_t opaque_u32;
static volatile uint64_t opaque_u64;
static volatile float opaque_f32;
static volatile double opaque_f64;

static uint32_t u32(uint32_t value)
{
    opaque_u32 = value;
    return opaque_u32;
}

static uint64_t u64(uint64_t value)
{
    opaque_u64 = value;
    return opaque_u64;
}

static int64_t i64(int64_t value)
{
    return (int64_t)u64((uint64_t)value);
}

static float f32(float value)
{
    opaque_f32 = value;
    return opaque_f32;
}

static double f64(double value)
{
    opaque_f64 = value;
    return opaque_f64;
}

/* ---- arithmetic ---- */

static uint32_t gcd(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static uint64_t power_modulo(uint64_t base, uint64_t exponent, uint64_t modulus)
{
    uint64_t result = 1;
    for (base %= modulus; exponent != 0; exponent >>= 1) {
        if (exponent & 1)
            result = result * base % modulus;
        base = base * base % modulus;
    }
    return result;
}

static uint32_t rotate_left(uint32_t value, unsigned count)
{
    return value << (count & 31) | value >> (-count & 31);
}

static void check_arithmetic(struct check *check)
{
    check_group(check, "arithmetic");
    check_u64(check, "gcd(1071, 462)", 21, gcd(u32(1071), u32(462)));
    check_u64(check, "2^64-1 modulo 1000000007", 582344007, u64(UINT64_MAX) % u64(1000000007));
    check_u64(check, "3^1000000006 modulo 1000000007 (Fermat)", 1, power_modulo(u64(3), 1000000006, 1000000007));
    check_u64(check, "i32 overflow wraps: 0x7fffffff + 1", 0x80000000u, u32(0x7fffffff) + u32(1));
    check_u64(check, "i64 multiply wraps", 0xfffffffe00000001u, u64(0xffffffff) * u64(0xffffffff));
    check_u64(check, "-7 / 2 truncates", (uint64_t)-3, (uint64_t)(i64(-7) / i64(2)));
    check_u64(check, "-7 % 2", (uint64_t)-1, (uint64_t)(i64(-7) % i64(2)));
    check_u64(check, "unsigned 0xfffffff9 / 2", 0x7ffffffc, u32(0xfffffff9) / u32(2));
    check_u64(check, "rotate 0x80000001 by 1", 3, rotate_left(u32(0x80000001), u32(1)));
    check_u64(check, "rotate by 32 is none", 0x12345678, rotate_left(u32(0x12345678), u32(32)));
    check_u64(check, "leading zeros of 1 in 64 bits", 63, (uint64_t)__builtin_clzll(u64(1)));
    check_u64(check, "trailing zeros of 2^40", 40, (uint64_t)__builtin_ctzll(u64(1ull << 40)));
    check_u64(check, "ones in 0xf0f0f0f0f0f0f0f0", 32, (uint64_t)__builtin_popcountll(u64(0xf0f0f0f0f0f0f0f0)));
    check_u64(check, "sign extension of 8 bits", (uint64_t)-128, (uint64_t)(int64_t)(int8_t)u32(0x80));
    check_u64(check, "arithmetic shift of -2^63 by 63", (uint64_t)-1, (uint64_t)(i64(INT64_MIN) >> u32(63)));
}

/* ---- recursion ---- */

static uint32_t fibonacci(uint32_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint32_t ackermann(uint32_t m, uint32_t n)
{
    if (m == 0)
        return n + 1;
    return n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}

static uint32_t queens(uint32_t size, uint32_t columns, uint32_t left, uint32_t right)
{
    uint32_t all = (1u << size) - 1, solutions = 0;
    if (columns == all)
        return 1;
    for (uint32_t free = all & ~(columns | left | right); free != 0; free &= free - 1) {
        uint32_t place = free & -free;
        solutions += queens(size, columns | place, (left | place) << 1, (right | place) >> 1);
    }
    return solutions;
}

static uint64_t hanoi(uint32_t discs)
{
    return discs == 0 ? 0 : hanoi(discs - 1) + 1 + hanoi(discs - 1);
}

static uint32_t is_odd(uint32_t n);

static uint32_t is_even(uint32_t n)
{
    return n == 0 ? 1 : is_odd(n - 1);
}

static uint32_t is_odd(uint32_t n)
{
    return n == 0 ? 0 : is_even(n - 1);
}

static void check_recursion(struct check *check)
{
    check_group(check, "recursion");
    check_u64(check, "fibonacci(20)", 6765, fibonacci(u32(20)));
    check_u64(check, "ackermann(2, 9)", 21, ackermann(u32(2), u32(9)));
    check_u64(check, "8 queens, solutions", 92, queens(u32(8), 0, 0, 0));
    check_u64(check, "Hanoi with 12 discs, moves", 4095, hanoi(u32(12)));
    check_u64(check, "mutual recursion: 1001 is odd", 1, is_odd(u32(1001)));
}

/* ---- memory ---- */

static uint32_t crc32(const uint8_t *data, size_t len)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
    }
    return ~crc;
}

static uint32_t count_primes(uint32_t limit)
{
    uint8_t *composite = calloc(limit, 1);
    uint32_t primes = 0;
    if (composite == NULL)
        return 0;
    for (uint32_t n = 2; n < limit; n++) {
        if (composite[n])
            continue;
        primes++;
        for (uint64_t multiple = (uint64_t)n * n; multiple < limit; multiple += n)
            composite[multiple] = 1;
    }
    free(composite);
    return primes;
}

/* Fills blocks of growing sizes, so that the heap must grow, and finds every byte again. */
static uint32_t count_damaged_blocks(void)
{
    enum { BLOCKS = 24, STEP = 4096 };
    uint8_t *blocks[BLOCKS];
    uint32_t damaged = 0;
    for (uint32_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc((i + 1) * STEP);
        if (blocks[i] == NULL)
            return UINT32_MAX;
        memset(blocks[i], (int)(i + 1), (i + 1) * STEP);
    }
    for (uint32_t i = 0; i < BLOCKS; i++) {
        for (uint32_t at = 0; at < (i + 1) * STEP; at++) {
            if (blocks[i][at] != i + 1) {
                damaged++;
                break;
            }
        }
        free(blocks[i]);
    }
    return damaged;
}

static void check_memory(struct check *check)
{
    check_group(check, "memory");
    check_u64(check, "CRC-32 of \"123456789\"", 0xcbf43926, crc32((const uint8_t *)"123456789", 9));
    check_u64(check, "primes below 50000 (sieve)", 5133, count_primes(u32(50000)));
    check_u64(check, "blocks damaged while the heap grew", 0, count_damaged_blocks());

    uint8_t bytes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    uint64_t word;
    memcpy(&word, bytes + u32(3), sizeof(word));
    check_u64(check, "unaligned 64-bit load, little endian", 0x0a09080706050403, word);
    memmove(bytes + u32(2), bytes, 8);
    check_u64(check, "overlapping move upwards", 7, bytes[9]);
    memmove(bytes, bytes + u32(2), 8);
    check_u64(check, "overlapping move downwards", 0, bytes[0]);
}

/* ---- tables: indirect calls ---- */

static uint32_t add(uint32_t a, uint32_t b)
{
    return a + b;
}

static uint32_t subtract(uint32_t a, uint32_t b)
{
    return a - b;
}

static uint32_t multiply(uint32_t a, uint32_t b)
{
    return a * b;
}

static uint32_t (*const operations[])(uint32_t, uint32_t) = {add, subtract, multiply, gcd};

static int compare_u32(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static uint64_t sort_and_hash(uint32_t count)
{
    uint32_t *values = malloc(count * sizeof(*values));
    uint64_t hash = 0, descents = 0;
    uint32_t state = 12345;
    if (values == NULL)
        return 0;
    for (uint32_t i = 0; i < count; i++)
        values[i] = state = state * 1664525u + 1013904223u;
    qsort(values, count, sizeof(*values), compare_u32);
    for (uint32_t i = 0; i < count; i++) {
        hash += values[i];
        descents += i > 0 && values[i - 1] > values[i];
    }
    free(values);
    return descents == 0 ? hash : 0;
}

static void check_tables(struct check *check)
{
    uint32_t result = 0;
    uint64_t sum = 0;
    uint32_t state = 12345;
    check_group(check, "tables");
    check_u64(check, "table[0](40, 2)", 42, operations[u32(0)](40, 2));
    check_u64(check, "table[1](40, 2)", 38, operations[u32(1)](40, 2));
    check_u64(check, "table[2](40, 2)", 80, operations[u32(2)](40, 2));
    check_u64(check, "table[3](40, 12)", 4, operations[u32(3)](40, 12));
    for (uint32_t i = 0; i < 1000; i++)
        result = operations[i & 1](result, operations[2](i, 3));
    check_u64(check, "1000 alternating calls", (uint32_t)-1500, result);
    for (uint32_t i = 0; i < 2000; i++)
        sum += state = state * 1664525u + 1013904223u;
    check_u64(check, "qsort of 2000 values keeps and orders them", sum, sort_and_hash(u32(2000)));
}

/* ---- floating point ---- */

static void check_doubles(struct check *check)
{
    double infinity = f64(1.0) / f64(0.0);
    check_group(check, "double");
    check_f64(check, "0.1 + 0.2", 0x3fd3333333333334, f64(0.1) + f64(0.2));
    check_f64(check, "1 / 3", 0x3fd5555555555555, f64(1) / f64(3));
    check_f64(check, "sqrt(2)", 0x3ff6a09e667f3bcd, sqrt(f64(2)));
    check_f64(check, "-0 + -0 stays -0", 0x8000000000000000, f64(-0.0) + f64(-0.0));
    check_f64(check, "-0 + 0 is 0", 0, f64(-0.0) + f64(0.0));
    check_f64(check, "1 / -0 is -infinity", 0xfff0000000000000, f64(1) / f64(-0.0));
    check_f64(check, "largest + largest overflows", 0x7ff0000000000000, f64(DBL_MAX) + f64(DBL_MAX));
    check_f64(check, "smallest normal / 2 is subnormal", 0x0008000000000000, f64(DBL_MIN) / f64(2));
    check_f64(check, "smallest subnormal / 2 ties to 0", 0, f64(0x1p-1074) / f64(2));
    check_f64(check, "multiply, then subtract: two roundings", 0,
              f64(1.0 + 0x1p-27) * f64(1.0 + 0x1p-27) - f64(1.0 + 0x1p-26));
    check_true(check, "infinity - infinity is NaN", infinity - infinity != infinity - infinity);
    check_true(check, "NaN is unordered", !(f64(NAN) < 1) && !(f64(NAN) > 1) && !(f64(NAN) == f64(NAN)));
    check_f64(check, "negate flips a NaN's sign only", 0xfff8000000000000, -f64(NAN));
    check_f64(check, "floor(-0.5)", 0xbff0000000000000, floor(f64(-0.5)));
    check_f64(check, "ceil(-0.5) is -0", 0x8000000000000000, ceil(f64(-0.5)));
    check_f64(check, "rint(2.5) ties to even", 0x4000000000000000, rint(f64(2.5)));
    check_f64(check, "rint(-0.5) is -0", 0x8000000000000000, rint(f64(-0.5)));
    check_f64(check, "trunc(-1.9)", 0xbff0000000000000, trunc(f64(-1.9)));
    check_f64(check, "copysign(3, -0)", 0xc008000000000000, copysign(f64(3), f64(-0.0)));
    check_f64(check, "2^53 + 1 rounds to even", 0x4340000000000000, (double)i64(9007199254740993));
    check_f64(check, "unsigned 2^64 - 1 rounds up", 0x43f0000000000000, (double)u64(UINT64_MAX));
    check_u64(check, "(int64) -9.2e18", (uint64_t)-9200000000000000000, (uint64_t)(int64_t)f64(-9.2e18));
    check_u64(check, "(uint32) 4294967295.9", 4294967295u, (uint32_t)f64(4294967295.9));
}

static void check_floats(struct check *check)
{
    check_group(check, "float");
    check_f32(check, "0.1f + 0.2f", 0x3e99999a, f32(0.1f) + f32(0.2f));
    check_f32(check, "1 / 3", 0x3eaaaaab, f32(1) / f32(3));
    check_f32(check, "sqrtf(2)", 0x3fb504f3, sqrtf(f32(2)));
    check_f32(check, "16777217 ties to even", 0x4b800000, (float)u32(16777217));
    check_f32(check, "16777219 rounds up", 0x4b800002, (float)u32(16777219));
    check_f32(check, "double 1 + 2^-24 demoted ties to even", 0x3f800000, (float)f64(1.0 + 0x1p-24));
    check_f32(check, "double 1e39 demoted overflows", 0x7f800000, (float)f64(1e39));
    check_f32(check, "u64 0x8000008000000001 rounds once", 0x5f000001, (float)u64(0x8000008000000001));
    check_f64(check, "promotion of a subnormal is exact", 0x36a0000000000000, (double)f32(0x1p-149f));
    check_f32(check, "smallest subnormal survives", 0x00000001, f32(0x1p-148f) / f32(2));
}

/* Both constants were computed with Python's floats (IEEE 754 binary64). */
#define LOGISTIC_1000 0x3fe4a05b67c65342
#define LEIBNIZ_10000 0x400921c6e67e5913

/* The logistic map is chaotic: one wrong last bit anywhere changes everything after. */
static double logistic_map(uint32_t steps)
{
    double x = f64(0.5), rate = f64(3.75);
    for (uint32_t i = 0; i < steps; i++)
        x = rate * x * (1.0 - x);
    return x;
}

static double pi_by_series(uint32_t terms)
{
    double sum = 0;
    for (uint32_t k = terms; k-- > 0;)
        sum += f64(k % 2 ? -4.0 : 4.0) / (2.0 * k + 1.0);
    return sum;
}

static void check_series(struct check *check)
{
    check_group(check, "series");
    check_f64(check, "logistic map, 1000 steps", LOGISTIC_1000, logistic_map(u32(1000)));
    check_f64(check, "pi by Leibniz, 10000 terms", LEIBNIZ_10000, pi_by_series(u32(10000)));
}

int main(void)
{
    struct check check = {0};
    printf("compute: known results\n");
    check_arithmetic(&check);
    check_recursion(&check);
    check_memory(&check);
    check_tables(&check);
    check_doubles(&check);
    check_floats(&check);
    check_series(&check);
    return check_finish(&check, "compute");
}
