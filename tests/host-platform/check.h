/* What the host tests of this folder report with: each failed check is one line, and the number of them the verdict. */
#ifndef HOST_PLATFORM_CHECK_H
#define HOST_PLATFORM_CHECK_H

#include <stdio.h>

static unsigned failures;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);                                             \
            failures++;                                                                                                \
        }                                                                                                              \
    } while (0)

#endif
