/* A test case is a function made with CASE; the linker script collects them into one table in link order. */
#ifndef KERNEL_TEST_H
#define KERNEL_TEST_H

#include "harness.h"

struct test_case {
    const char *name;
    const char *description;
    void (*run)(void);
    unsigned tries;
};

/* CASE_TIMED is for cases that measure shares of time: without -icount the emulator's host takes time away from the
 * guest whenever it likes, so they may try again. Under -icount they pass at the first try or not at all. */
#define CASE(name, description)       CASE_TRIES(name, description, 1)
#define CASE_TIMED(name, description) CASE_TRIES(name, description, 5)
#define CASE_TRIES(name, description, tries)                                                                           \
    static void name(void);                                                                                            \
    static const struct test_case name##_case                                                                          \
        __attribute__((section("test_cases"), used, aligned(8))) = {#name, description, name, tries};                  \
    static void name(void)

/* Ends the case (not the run) when the condition does not hold. Only on the root task's own thread. */
#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            case_fail(__FILE__, __LINE__, #condition);                                                                 \
    } while (0)
#define EQUAL(left, right)                                                                                             \
    do {                                                                                                               \
        word left_value = (word)(left), right_value = (word)(right);                                                   \
        if (left_value != right_value)                                                                                 \
            case_fail_equal(__FILE__, __LINE__, #left " == " #right, left_value, right_value);                         \
    } while (0)
#define OK(call) EQUAL(call, ERROR_NONE)

_Noreturn void case_fail(const char *file, int line, const char *text);
_Noreturn void case_fail_equal(const char *file, int line, const char *text, word left, word right);

/* The root task runs at this priority during a case; others are usually one above or below. */
#define PRIORITY_ROOT 100
#define PRIORITY_HIGH 110
#define PRIORITY_LOW  90

/* Reads the registers of a thread, pc first, through READ_REGISTERS. */
static inline word registers_pc(const struct user_registers *r)
{
#if defined(__x86_64__)
    return r->rip;
#else
    return r->pc;
#endif
}

#endif
