/* A hostile module: does one bad thing, which its argument names. The system must contain it, and report it by
 * the function's name below. A bad thing that is done without being stopped ends with exit status 99.
 *
 *     hostile recurse|bad-call|null-call|far-call|unreachable|divide|overflow|convert|loop|hog|exit
 */
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ESCAPED = 99, WASM_PAGE = 65536 };

static volatile int zero = 0, minus_one = -1;
static volatile float not_a_number;
static volatile uint32_t sink;

/* ---- traps ---- */

/* Works on the result, so that the call cannot become a loop; needs no linear memory, so that the call stack itself
 * ends. */
static __attribute__((noinline)) uint32_t recurse(uint32_t depth)
{
    if (depth == sink)
        return depth; /* never: sink is 1 */
    uint32_t deeper = recurse(depth + 1);
    return deeper * 3 + (deeper >> 5);
}

static int run_recurse(void)
{
    sink = 1;
    sink = recurse(2);
    return ESCAPED;
}

static int takes_integer(int value)
{
    return value + 1;
}

union any_function {
    int (*of_integer)(int);
    double (*of_double)(double);
    uintptr_t index;
};

static volatile union any_function any;

static int run_bad_call(void)
{
    any.of_integer = takes_integer;
    return any.of_double(1.0) > 0 ? ESCAPED : ESCAPED + 1;
}

static int run_null_call(void)
{
    any.index = 0;
    return any.of_integer(1) + ESCAPED;
}

static int run_far_call(void)
{
    any.index = 1000000;
    return any.of_integer(1) + ESCAPED;
}

static int run_unreachable(void)
{
    __builtin_trap();
}

static int run_divide(void)
{
    sink = (uint32_t)(7 / zero);
    return ESCAPED;
}

static int run_overflow(void)
{
    volatile int least = INT_MIN;
    sink = (uint32_t)(least / minus_one);
    return ESCAPED;
}

static int run_convert(void)
{
    not_a_number = (float)zero / (float)zero;
    sink = (uint32_t)__builtin_wasm_trunc_s_i32_f32(not_a_number);
    return ESCAPED;
}

/* ---- greed ---- */

/* Never ends by itself: its budget holds it down and its deadline ends it. */
static int run_loop(void)
{
    for (;;)
        sink++;
}

static uint32_t page_mark(uint32_t page)
{
    return page * 2654435761u + 1;
}

/* Takes memory until it is refused, writes to every page of it, and checks that it was all its own. */
static int run_hog(void)
{
    uint32_t first = (uint32_t)__builtin_wasm_memory_size(0), pages = first;
    for (; __builtin_wasm_memory_grow(0, 1) != SIZE_MAX; pages++)
        *(volatile uint32_t *)(uintptr_t)(pages * WASM_PAGE) = page_mark(pages);
    for (uint32_t page = first; page < pages; page++) {
        if (*(volatile uint32_t *)(uintptr_t)(page * WASM_PAGE) != page_mark(page)) {
            printf("hog: page %u is not what was written\n", (unsigned)page);
            return 1;
        }
    }
    printf("hog: refused after %u pages of 64 KiB\n", (unsigned)pages);
    return pages > first ? 0 : 1;
}

static int run_exit(void)
{
    return 0;
}

/* ---- which ---- */

static const struct {
    const char *name;
    int (*run)(void);
} deeds[] = {
    {"recurse", run_recurse},
    {"bad-call", run_bad_call},
    {"null-call", run_null_call},
    {"far-call", run_far_call},
    {"unreachable", run_unreachable},
    {"divide", run_divide},
    {"overflow", run_overflow},
    {"convert", run_convert},
    {"loop", run_loop},
    {"hog", run_hog},
    {"exit", run_exit},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(deeds) / sizeof(deeds[0]); i++) {
        if (strcmp(argv[1], deeds[i].name) == 0)
            return deeds[i].run();
    }
    printf("hostile: what?\n");
    return 2;
}
