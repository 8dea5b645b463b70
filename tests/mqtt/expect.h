/* Expectations of a host test: a failed one prints where and what, and the program's exit status tells. */
#ifndef TESTS_MQTT_EXPECT_H
#define TESTS_MQTT_EXPECT_H

#include <stdio.h>

static unsigned expect_passed, expect_failed;

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (condition) {                                                                                               \
            expect_passed++;                                                                                           \
        } else {                                                                                                       \
            expect_failed++;                                                                                           \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                             \
        }                                                                                                              \
    } while (0)

static inline int expect_finish(void)
{
    printf("%u passed, %u failed\n", expect_passed, expect_failed);
    return expect_failed == 0 && expect_passed > 0 ? 0 : 1;
}

#endif
