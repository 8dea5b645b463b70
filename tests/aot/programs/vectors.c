/* Loops and vector code of the kinds that programs have, with a checksum of each. Compiled natively and, with
 * -msimd128, for WebAssembly: the outputs must be the same (run.py compares them).
 *
 * Two sorts: plain loops, which clang vectorises, and vector types, whose operations it maps to SIMD operators one by
 * one. Nothing here depends on the order in which floats are summed. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define COUNT 4099 /* not a multiple of anything */

typedef int8_t bytes __attribute__((vector_size(16)));
typedef uint8_t ubytes __attribute__((vector_size(16)));
typedef int16_t words __attribute__((vector_size(16)));
typedef int32_t ints __attribute__((vector_size(16)));
typedef uint32_t uints __attribute__((vector_size(16)));
typedef int64_t longs __attribute__((vector_size(16)));
typedef float floats __attribute__((vector_size(16)));
typedef double doubles __attribute__((vector_size(16)));

/* ---- data and checksums ---- */

static uint8_t b8[COUNT], c8[COUNT], r8[COUNT];
static int16_t b16[COUNT], c16[COUNT], r16[COUNT];
static int32_t b32[COUNT], c32[COUNT], r32[COUNT];
static int64_t b64[COUNT], r64[COUNT];
static float bf[COUNT], cf[COUNT], rf[COUNT];
static double bd[COUNT], cd[COUNT], rd[COUNT];

static uint64_t state = 88172645463325252u;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static void fill(void)
{
    for (int i = 0; i < COUNT; i++) {
        uint64_t random = next_random();
        b8[i] = (uint8_t)random, c8[i] = (uint8_t)(random >> 8);
        b16[i] = (int16_t)(random >> 16), c16[i] = (int16_t)(random >> 32);
        b32[i] = (int32_t)(random >> 24), c32[i] = (int32_t)random;
        b64[i] = (int64_t)next_random();
        bf[i] = (float)(int32_t)next_random() / 65536.0f, cf[i] = (float)(int32_t)next_random() / 3.0f;
        bd[i] = (double)(int64_t)next_random() / 1048576.0, cd[i] = (double)(int32_t)next_random() / 7.0;
    }
}

static void report(const char *name, const void *data, size_t size)
{
    const uint8_t *byte = data;
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ byte[i]) * 1099511628211u;
    printf("%s %016llx\n", name, (unsigned long long)sum);
}

/* ---- loops ---- */

static void loops_of_bytes(void)
{
    uint32_t sum = 0, distance = 0;
    for (int i = 0; i < COUNT; i++) {
        int blend = (b8[i] * 3 + c8[i] * 5 + 4) >> 3;
        r8[i] = (uint8_t)blend;
    }
    report("bytes blended", r8, sizeof r8);
    for (int i = 0; i < COUNT; i++) {
        int both = b8[i] + c8[i];
        r8[i] = (uint8_t)(both > 255 ? 255 : both);
    }
    report("bytes saturated", r8, sizeof r8);
    for (int i = 0; i < COUNT; i++)
        r8[i] = (uint8_t)(b8[i] > c8[i] ? (b8[i] + c8[i] + 1) >> 1 : ~b8[i]);
    report("bytes chosen", r8, sizeof r8);
    for (int i = 0; i < COUNT; i++)
        sum += b8[i], distance += (uint32_t)(b8[i] > c8[i] ? b8[i] - c8[i] : c8[i] - b8[i]);
    printf("bytes summed %u %u\n", sum, distance);
}

static void loops_of_integers(void)
{
    int64_t dot = 0;
    int32_t lowest = INT32_MAX, highest = INT32_MIN;
    uint32_t bits = 0;
    for (int i = 0; i < COUNT; i++) {
        int32_t product = b16[i] * c16[i] + (1 << 14);
        product >>= 15;
        r16[i] = (int16_t)(product > 32767 ? 32767 : product < -32768 ? -32768 : product);
    }
    report("words q15", r16, sizeof r16);
    for (int i = 0; i < COUNT; i++)
        dot += (int32_t)b16[i] * c16[i];
    for (int i = 0; i < COUNT; i++) {
        lowest = b32[i] < lowest ? b32[i] : lowest;
        highest = b32[i] > highest ? b32[i] : highest;
        bits += (uint32_t)__builtin_popcount((uint32_t)b32[i]);
    }
    printf("integers reduced %lld %d %d %u\n", (long long)dot, lowest, highest, bits);
    for (int i = 0; i < COUNT; i++)
        r32[i] = (int32_t)((uint32_t)b32[i] * (uint32_t)c32[i] ^ ((uint32_t)b32[i] >> 7) ^ ((uint32_t)c32[i] << 5));
    report("integers mixed", r32, sizeof r32);
    for (int i = 0; i < COUNT; i++)
        r64[i] =
            (int64_t)((uint64_t)b64[i] * 0x9e3779b97f4a7c15u + (uint64_t)((int64_t)b32[i] * c32[i])) ^ (b64[i] >> 17);
    report("longs mixed", r64, sizeof r64);
    for (int i = 0; i < COUNT; i++)
        r32[i] = b32[i] < 0 ? -(b32[i] / 2) : c8[i] + b16[i];
    report("widths mixed", r32, sizeof r32);
}

static void loops_of_floats(void)
{
    for (int i = 0; i < COUNT; i++)
        rf[i] = bf[i] * 1.5f + cf[i] / 7.0f - 0.25f;
    report("floats computed", rf, sizeof rf);
    for (int i = 0; i < COUNT; i++) {
        float clamped = bf[i] < -1000.0f ? -1000.0f : bf[i];
        rf[i] = clamped > 1000.0f ? 1000.0f : __builtin_fabsf(clamped);
    }
    report("floats clamped", rf, sizeof rf);
    for (int i = 0; i < COUNT; i++)
        rd[i] = __builtin_sqrt(__builtin_fabs(bd[i])) * cd[i] - bd[i];
    report("doubles computed", rd, sizeof rd);
    for (int i = 0; i < COUNT; i++)
        rd[i] = __builtin_floor(bd[i] / 3.0) + __builtin_ceil(cd[i]) - __builtin_trunc(cd[i] * 0.5);
    report("doubles rounded", rd, sizeof rd);
    for (int i = 0; i < COUNT; i++)
        r32[i] = (int32_t)bf[i], rf[i] = (float)c32[i], rd[i] = (double)b32[i];
    report("floats to integers", r32, sizeof r32);
    report("integers to floats", rf, sizeof rf);
    report("integers to doubles", rd, sizeof rd);
    for (int i = 0; i < COUNT; i++)
        rf[i] = (float)(bd[i] * cd[i]), rd[i] = (double)bf[i] * cf[i];
    report("doubles to floats", rf, sizeof rf);
    report("floats to doubles", rd, sizeof rd);
}

/* Iterations per point of a small Mandelbrot set: floats that decide about integers. */
static void mandelbrot(void)
{
    static uint8_t picture[64][64];
    for (int y = 0; y < 64; y++) {
        for (int x = 0; x < 64; x += 4) {
            floats cr = {(float)x, (float)(x + 1), (float)(x + 2), (float)(x + 3)}, zr = {0}, zi = {0};
            float ci = (float)y / 24.0f - 1.3f;
            ints count = {0};
            cr = cr / 22.0f - 2.1f;
            for (int i = 0; i < 100; i++) {
                floats rr = zr * zr, ii = zi * zi;
                ints inside = rr + ii <= 4.0f;
                if (!(inside[0] | inside[1] | inside[2] | inside[3]))
                    break;
                count -= inside;
                zi = 2.0f * zr * zi + ci;
                zr = rr - ii + cr;
            }
            for (int lane = 0; lane < 4; lane++)
                picture[y][x + lane] = (uint8_t)count[lane];
        }
    }
    report("mandelbrot", picture, sizeof picture);
}

/* ---- vector types ---- */

static void vectors_of_integers(void)
{
    ubytes a, b;
    for (int i = 0; i + 16 <= COUNT; i += 16) {
        memcpy(&a, b8 + i, 16), memcpy(&b, c8 + i, 16);
        ubytes mixed = __builtin_shufflevector(a, b, 0, 17, 2, 19, 15, 31, 14, 30, 8, 9, 24, 25, 5, 5, 21, 21);
        ubytes less = (ubytes)(a < b), shifted = (a << 3) | (b >> 5);
        ubytes result = ((mixed ^ shifted) & less) + (a & ~less) - (ubytes)(words)((words)a * (words)b);
        memcpy(r8 + i, &result, 16);
    }
    report("vectors of bytes", r8, sizeof r8);
    for (int i = 0; i + 4 <= COUNT; i += 4) {
        uints x, y;
        memcpy(&x, b32 + i, 16), memcpy(&y, c32 + i, 16);
        uints result = (x << (y & 31)) ^ (x >> 9) ^ (uints)((ints)y >> 11) ^ (uints)(-(ints)(x > y)) * y;
        result += __builtin_shufflevector(x, y, 3, 6, 1, 4);
        memcpy(r32 + i, &result, 16);
    }
    report("vectors of integers", r32, sizeof r32);
    for (int i = 0; i + 2 <= COUNT; i += 2) {
        longs x;
        memcpy(&x, b64 + i, 16);
        longs result = (x >> 13) * (x ^ 0x55aa) - (x < -x) + (longs)((bytes)x > 0);
        memcpy(r64 + i, &result, 16);
    }
    report("vectors of longs", r64, sizeof r64);
}

/* Through calls that are not inlined: vectors as arguments and results. */
__attribute__((noinline)) static doubles turn(doubles point, doubles axis, int quarter)
{
    doubles turned = {axis[0] * point[0] - axis[1] * point[1], axis[1] * point[0] + axis[0] * point[1]};
    return quarter > 0 ? turn(turned, axis, quarter - 1) : turned;
}

static void vectors_of_floats(void)
{
    floats a, b;
    for (int i = 0; i + 4 <= COUNT; i += 4) {
        memcpy(&a, bf + i, 16), memcpy(&b, cf + i, 16);
        ints less = a < b;
        floats least = (floats)(((ints)a & less) | ((ints)b & ~less));
        floats result = least * 0.5f - a / (b * b + 1.0f) + __builtin_shufflevector(a, b, 1, 0, 7, 6);
        memcpy(rf + i, &result, 16);
    }
    report("vectors of floats", rf, sizeof rf);
    for (int i = 0; i + 2 <= COUNT; i += 2) {
        doubles point, axis = {0.6, 0.8};
        memcpy(&point, bd + i, 16);
        point = turn(point, axis, i % 5);
        memcpy(rd + i, &point, 16);
    }
    report("vectors of doubles", rd, sizeof rd);
}

int main(void)
{
    fill();
    loops_of_bytes();
    loops_of_integers();
    loops_of_floats();
    mandelbrot();
    vectors_of_integers();
    vectors_of_floats();
    return 0;
}
