#include "instructions.h"

#include <stdint.h>
#include <stdlib.h>

#include "poller.h"

enum { STEPS = 20000, RUNS = 5 };

struct step {
    struct step *volatile next;
};

/* Out of line, so that the loop stands alone; nothing but the pointer is needed in it. */
static __attribute__((noinline)) void walk(const struct step *step)
{
    while (step != NULL)
        step = step->next;
}

uint32_t pointer_step_hundredths_ns(void)
{
    struct step *steps = calloc(STEPS, sizeof(*steps));
    uint64_t least_ns = UINT64_MAX;
    if (steps == NULL)
        return 0;
    for (uint32_t i = 0; i + 1 < STEPS; i++)
        steps[i].next = &steps[i + 1];
    for (unsigned run = 0; run < RUNS; run++) {
        uint64_t start_ns = clock_now_ns();
        walk(steps);
        uint64_t took_ns = clock_now_ns() - start_ns;
        least_ns = took_ns < least_ns ? took_ns : least_ns;
    }
    free(steps);
    return (uint32_t)(least_ns * 100 / STEPS);
}

bool instructions_are_nanoseconds(uint32_t hundredths_ns)
{
    /* Calling and reading the clock may cost a few hundred instructions in all. */
    return hundredths_ns >= 200 && hundredths_ns <= 403 && hundredths_ns % 100 <= 3;
}
