/* The tests in this program; build.py writes the tables, and what calls each test's main. */
#ifndef TESTS_GNULIB_MAIN_H
#define TESTS_GNULIB_MAIN_H

#include <stdbool.h>

struct test {
    const char *name;
    int (*main)(int count, char **arguments);
};

struct run {
    const char *line; /* a test's name and its arguments */
    bool differs;     /* it is known to fail, for a reason in tests.json */
};

extern const struct test tests[]; /* ends with a name of NULL */
extern const struct run runs[];   /* ends with a line of NULL */

#endif
