/* A hostile module: does one bad thing, which its argument names. The system must contain it, and report it by
 * the function's name below. A bad thing that is done without being stopped ends with exit status 99.
 *
 *     hostile recurse|bad-call|null-call|far-call|unreachable|divide|overflow|convert|loop|hog|spawn|sleep|exit
 */
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tessera.h>

enum { ESCAPED = 99, WASM_PAGE = 65536, CHILDREN_MAX = 64, CHILD_MS = 20 };

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

static int child_start(void)
{
    struct tessera_process_handles child;
    static const char name[] = "child", arguments[] = "hostile\nsleep";
    return tessera_proc_spawn(name, sizeof(name) - 1, 0, arguments, sizeof(arguments) - 1, "", 0, TESSERA_STDIO_NULL,
                              TESSERA_STDIO_INHERIT, TESSERA_STDIO_INHERIT, ".", 1, &child);
}

/* Starts children until refused, then waits for all. Returns how many there were; *error: the refusal. */
static uint32_t children_start(int *error)
{
    uint32_t started = 0, joined = 0;
    while (started < CHILDREN_MAX && (*error = child_start()) == 0)
        started++;
    for (; joined < started; joined++) {
        struct tessera_option_pid any_child = {0};
        struct tessera_join_status status;
        if (tessera_proc_join(&any_child, 0, &status) != 0 || status.type != TESSERA_JOIN_EXIT_NORMAL)
            break;
    }
    return joined == started ? started : 0;
}

/* The limit must hold, and must be the same again when all children have ended. */
static int run_spawn(void)
{
    int first_error, second_error;
    uint32_t first = children_start(&first_error), second = children_start(&second_error);
    printf("spawn: refused after %u children (errno %d), then after %u (errno %d)\n", (unsigned)first, first_error,
           (unsigned)second, second_error);
    return first > 0 && first == second && first_error == TESSERA_EAGAIN && second_error == TESSERA_EAGAIN ? 0 : 1;
}

static int run_sleep(void)
{
    const struct timespec pause = {.tv_nsec = CHILD_MS * 1000000l};
    return nanosleep(&pause, NULL) == 0 ? 0 : 1;
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
    {"spawn", run_spawn},
    {"sleep", run_sleep},
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
