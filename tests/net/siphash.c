/* SipHash-2-4 beside its authors' example (the paper's appendix A) and two of their reference program's. */
#include "siphash.h"

#include <stdio.h>

static const struct {
    size_t count;
    uint64_t result;
} known[] = {{0, 0x726fdb47dd0e0e31}, {8, 0x93f5f5799a932462}, {15, 0xa129ca6149be45e5}};

int main(void)
{
    uint8_t bytes[16];
    const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    unsigned failures = 0, count = sizeof(known) / sizeof(known[0]);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    for (unsigned i = 0; i < count; i++)
        failures += siphash(key, bytes, known[i].count) != known[i].result;
    printf("siphash: %u results, %u wrong\n", count, failures);
    return failures != 0;
}
