#include "check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void check_group(struct check *check, const char *group)
{
    check->group = group;
}

static void check_line(struct check *check, const char *what, bool holds, uint64_t expected, uint64_t got)
{
    if (holds) {
        check->passed++;
        printf("  %-11s %-46s 0x%-16" PRIx64 "  ok\n", check->group, what, got);
    } else {
        check->failed++;
        printf("  %-11s %-46s 0x%-16" PRIx64 "  FAILED, expected 0x%" PRIx64 "\n", check->group, what, got, expected);
    }
}

void check_u64(struct check *check, const char *what, uint64_t expected, uint64_t got)
{
    check_line(check, what, expected == got, expected, got);
}

void check_f64(struct check *check, const char *what, uint64_t expected_bits, double got)
{
    uint64_t bits;
    memcpy(&bits, &got, sizeof(bits));
    check_u64(check, what, expected_bits, bits);
}

void check_f32(struct check *check, const char *what, uint32_t expected_bits, float got)
{
    uint32_t bits;
    memcpy(&bits, &got, sizeof(bits));
    check_u64(check, what, expected_bits, bits);
}

void check_true(struct check *check, const char *what, bool holds)
{
    check_line(check, what, holds, 1, holds ? 1 : 0);
}

int check_finish(const struct check *check, const char *program)
{
    printf("%s: %u checks passed, %u failed: %s\n", program, check->passed, check->failed,
           check->failed == 0 ? "PASS" : "FAIL");
    return check->failed == 0 && check->passed > 0 ? 0 : 1;
}
