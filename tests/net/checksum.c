/* The net server's checksum beside the words of RFC 1071, for every length, place and many contents. */
#include "checksum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint16_t by_the_book(const uint8_t *bytes, int count)
{
    uint32_t sum = 0;
    for (int i = 0; i < count; i++)
        sum += i % 2 ? (uint32_t)bytes[i] << 8 : bytes[i];
    while (sum >> 16)
        sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)sum;
}

int main(void)
{
    static uint8_t bytes[2048];
    unsigned failures = 0, tried = 0;
    for (int content = 0; content < 4; content++) {
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = content == 0 ? 0 : content == 1 ? 0xff : (uint8_t)rand();
        for (int place = 0; place < 9; place++)
            for (int count = 0; count <= 1600; count++, tried++)
                failures += checksum_sum(bytes + place, count) != by_the_book(bytes + place, count);
    }
    printf("checksum: %u sums, %u wrong\n", tried, failures);
    return failures != 0;
}
