/* LZ77 with a table of hashes, in the manner of LZ4: packs text-like bytes, unpacks them, compares. A token holds the
 * lengths of literals and match in four bits each (15: more bytes follow), then come literals and the distance. */
#include "harness.h"

#include <string.h>

enum { BYTES = 1 << 20, SLACK = BYTES / 8, HASH_BITS = 14, SHORTEST = 4, TAIL = 12, FARTHEST = 65535 };

const struct benchmark benchmark = {.name = "lz", .rounds = 125, .checksum = 0x8a038d1a};

static uint8_t plain[BYTES], packed[BYTES + SLACK], unpacked[BYTES];
static uint32_t positions[1 << HASH_BITS];

/* Words of a small vocabulary, with some noise between. */
static void write_text(void)
{
    uint32_t state = 7;
    size_t used = 0;
    while (used < BYTES) {
        uint32_t word = bench_random(&state) % 512, seed = word * word;
        for (uint32_t i = 0; i < 2 + word % 9 && used < BYTES; i++)
            plain[used++] = (uint8_t)('a' + bench_random(&seed) % 26);
        if (used < BYTES)
            plain[used++] = bench_random(&state) % 8 ? ' ' : (uint8_t)('0' + bench_random(&state) % 10);
    }
}

static inline uint32_t read32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static inline uint32_t hash(uint32_t word)
{
    return word * 2654435761u >> (32 - HASH_BITS);
}

static uint8_t *put_length(uint8_t *to, size_t length)
{
    for (; length >= 255; length -= 255)
        *to++ = 255;
    *to++ = (uint8_t)length;
    return to;
}

/* Literals from `from`, then a match; no match when `match` is 0. */
static uint8_t *put_sequence(uint8_t *to, const uint8_t *from, size_t literals, size_t match, size_t distance)
{
    size_t extra = match ? match - SHORTEST : 0;
    *to++ = (uint8_t)((literals < 15 ? literals : 15) << 4 | (extra < 15 ? extra : 15));
    if (literals >= 15)
        to = put_length(to, literals - 15);
    memcpy(to, from, literals);
    to += literals;
    if (!match)
        return to;
    *to++ = (uint8_t)distance;
    *to++ = (uint8_t)(distance >> 8);
    return extra >= 15 ? put_length(to, extra - 15) : to;
}

static size_t match_length(const uint8_t *a, const uint8_t *b, const uint8_t *end)
{
    const uint8_t *begin = a;
    while (a < end && *a == *b)
        a++, b++;
    return (size_t)(a - begin);
}

BENCH_NOINLINE static size_t pack(uint8_t *to, const uint8_t *from, size_t size)
{
    uint8_t *begin = to;
    size_t next = 0, anchor = 0;
    memset(positions, 0, sizeof positions);
    while (next + TAIL < size) {
        uint32_t word = read32(from + next), *place = &positions[hash(word)];
        size_t before = *place;
        *place = (uint32_t)next;
        if (before >= next || next - before > FARTHEST || read32(from + before) != word) {
            next++;
            continue;
        }
        size_t length = match_length(from + next, from + before, from + size - TAIL / 2);
        to = put_sequence(to, from + anchor, next - anchor, length, next - before);
        next += length;
        anchor = next;
    }
    return (size_t)(put_sequence(to, from + anchor, size - anchor, 0, 0) - begin);
}

static size_t get_length(const uint8_t **from, size_t length)
{
    uint8_t more = 255;
    while (length >= 15 && more == 255)
        length += more = *(*from)++;
    return length;
}

BENCH_NOINLINE static size_t unpack(uint8_t *to, const uint8_t *from, size_t size)
{
    const uint8_t *end = from + size;
    uint8_t *begin = to;
    while (from < end) {
        uint8_t token = *from++;
        size_t literals = get_length(&from, token >> 4);
        memcpy(to, from, literals);
        to += literals;
        from += literals;
        if (from >= end)
            break;
        size_t distance = from[0] | (size_t)from[1] << 8;
        from += 2;
        size_t match = get_length(&from, token & 15) + SHORTEST;
        for (const uint8_t *source = to - distance; match > 0; match--)
            *to++ = *source++;
    }
    return (size_t)(to - begin);
}

uint32_t benchmark_round(void)
{
    if (!plain[0])
        write_text();
    size_t size = pack(packed, plain, BYTES);
    if (unpack(unpacked, packed, size) != BYTES || memcmp(plain, unpacked, BYTES) != 0)
        return 0;
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i += 16)
        sum = bench_mix(sum, read32(packed + i));
    return sum + (uint32_t)size;
}
