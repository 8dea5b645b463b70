/* Five bodies under gravity: the sun and the outer planets, in astronomical units, years and solar masses
 * (positions and velocities rounded to four digits; they need not be right, only the same everywhere). */
#include "harness.h"

enum { BODIES = 5, STEPS = 100000 };

const struct benchmark benchmark = {.name = "nbody", .rounds = 160, .checksum = 0x7411dd4c};

struct body {
    double x, y, z, vx, vy, vz, mass;
};

static const struct body system_at_start[BODIES] = {{0, 0, 0, 0, 0, 0, 39.4784},
                                                    {4.8414, -1.1603, -0.1036, 0.6063, 2.8120, -0.0252, 0.0377},
                                                    {8.3434, 4.1248, -0.4035, -1.0108, 1.8257, 0.0084, 0.0113},
                                                    {12.8944, -15.1112, -0.2233, 1.0828, 0.8687, -0.0108, 0.0017},
                                                    {15.3797, -25.9193, 0.1793, 0.9791, 0.5947, -0.0348, 0.0020}};

static struct body bodies[BODIES];

BENCH_NOINLINE static void advance(struct body system[BODIES], double step)
{
    for (int i = 0; i < BODIES; i++) {
        struct body *a = &system[i];
        for (int j = i + 1; j < BODIES; j++) {
            struct body *b = &system[j];
            double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
            double square = dx * dx + dy * dy + dz * dz;
            double magnitude = step / (square * __builtin_sqrt(square));
            a->vx -= dx * b->mass * magnitude;
            a->vy -= dy * b->mass * magnitude;
            a->vz -= dz * b->mass * magnitude;
            b->vx += dx * a->mass * magnitude;
            b->vy += dy * a->mass * magnitude;
            b->vz += dz * a->mass * magnitude;
        }
    }
    for (int i = 0; i < BODIES; i++) {
        system[i].x += step * system[i].vx;
        system[i].y += step * system[i].vy;
        system[i].z += step * system[i].vz;
    }
}

uint32_t benchmark_round(void)
{
    uint32_t sum = 0;
    for (int i = 0; i < BODIES; i++)
        bodies[i] = system_at_start[i];
    for (int i = 0; i < STEPS; i++)
        advance(bodies, 0.001);
    for (int i = 0; i < BODIES; i++)
        sum = bench_mix(sum, (uint32_t)(int64_t)((bodies[i].x + bodies[i].y + bodies[i].z) * 65536.0));
    return sum;
}
