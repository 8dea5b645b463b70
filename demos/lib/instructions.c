#include "instructions.h"

#include <stdint.h>
#include <stdlib.h>

#include "poller.h"

enum { STEPS = 20000, RUNS = 5 };

struct step {
    struct step *next;
};

/* Out of line, so that the loop stands alone and its result is needed. */
static __attribute__((noinline)) const struct step *walk(const struct step *step)
{
    while (step->next != NULL)
        step = step->next;
    return step;
}

bool instructions_are_nanoseconds(void)
{
    struct step *steps = calloc(STEPS, sizeof(*steps));
    uint64_t least_ns = UINT64_MAX;
    bool is_walked = true;
    if (steps == NULL)
        return false;
    for (uint32_t i = 0; i + 1 < STEPS; i++)
        steps[i].next = &steps[i + 1];
    for (unsigned run = 0; run < RUNS; run++) {
        uint64_t start_ns = clock_now_ns();
        is_walked = is_walked && walk(steps) == &steps[STEPS - 1];
        uint64_t took_ns = clock_now_ns() - start_ns;
        least_ns = took_ns < least_ns ? took_ns : least_ns;
    }
    free(steps);
    /* Hundredths of a step's time; calling and reading the clock may cost a few hundred instructions in all. */
    uint64_t hundredths = least_ns * 100 / STEPS;
    return is_walked && ((hundredths >= 200 && hundredths <= 203) || (hundredths >= 300 && hundredths <= 303));
}
