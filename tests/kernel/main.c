/* Runs every test case, each with memory of its own, and gives the verdict. */
#include "watch.h"

extern const struct test_case test_cases[], test_cases_end[];

#define CASE_MEMORY_BITS 23

static void *resume[5];
static bool has_failed;

_Noreturn void case_end_failed(void)
{
    __builtin_longjmp(resume, 1);
}

_Noreturn void case_fail(const char *file, int line, const char *text)
{
    say("FAILED\n    %s:%u: %s\n", file, (word)line, text);
    case_report(own_buffer);
    case_end_failed();
}

_Noreturn void case_fail_equal(const char *file, int line, const char *text, word left, word right)
{
    say("FAILED\n    %s:%u: %s: %u (0x%x) and %u (0x%x)\n", file, (word)line, text, left, left, right, right);
    case_report(own_buffer);
    case_end_failed();
}

static __attribute__((noinline)) void case_run(const struct test_case *test)
{
    if (__builtin_setjmp(resume) == 0)
        test->run();
    else
        has_failed = true;
}

static bool case_passes(const struct test_case *test)
{
    has_failed = false;
    harness_mark(CASE_MEMORY_BITS);
    actors_forget();
    victims_forget();
    watch_begin();
    case_run(test);
    (void)tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_ROOT);
    harness_release();
    watch_end();
    return !has_failed;
}

int main(void)
{
    word passed = 0, failed = 0;
    if (tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_ROOT) != ERROR_NONE)
        give_up("the root task's priority cannot be set", 0);
    watch_start();
    for (const struct test_case *test = test_cases; test < test_cases_end; test++) {
        say("%s: %s ... ", test->name, test->description);
        bool passes = case_passes(test);
        for (unsigned tries = 1; !passes && tries < test->tries; tries++) {
            say("    again ... ");
            passes = case_passes(test);
        }
        if (passes) {
            passed++;
            say("ok\n");
        } else {
            failed++;
        }
    }
    say("kernel tests: %u passed, %u failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
