/* A self-checking program's table: one line per check, a verdict at the end.
 *
 * Values are compared as 64-bit integers, floating-point results by their bits, so that -0 and 0, and
 * different NaNs, differ. `check_finish` returns the program's exit status: 0 when all held, else 1.
 */
#ifndef DEMOS_LIB_CHECK_H
#define DEMOS_LIB_CHECK_H

#include <stdbool.h>
#include <stdint.h>

struct check {
    const char *group;
    unsigned passed, failed;
};

void check_group(struct check *check, const char *group);
void check_u64(struct check *check, const char *what, uint64_t expected, uint64_t got);
void check_f64(struct check *check, const char *what, uint64_t expected_bits, double got);
void check_f32(struct check *check, const char *what, uint32_t expected_bits, float got);
void check_true(struct check *check, const char *what, bool holds);
int check_finish(const struct check *check, const char *program);

#endif
