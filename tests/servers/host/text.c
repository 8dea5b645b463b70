/* The formatter against what it should print, and ChaCha20 against RFC 8439's test vector (section 2.3.2). */
#include <stdio.h>
#include <string.h>

#include "tessera/random.h"
#include "tessera/text.h"

static unsigned failures;

static void expect(const char *expected, const char *got, size_t length)
{
    if (strcmp(expected, got) == 0 && length == strlen(expected))
        return;
    printf("expected \"%s\", got \"%s\" (%zu)\n", expected, got, length);
    failures++;
}

#define FORMAT(expected, ...)                                                                                          \
    do {                                                                                                               \
        char buffer[100];                                                                                              \
        size_t length = text_format(buffer, sizeof(buffer), __VA_ARGS__);                                              \
        expect(expected, buffer, length);                                                                              \
    } while (0)

static void test_format(void)
{
    char small[8];
    FORMAT("plain", "plain");
    FORMAT("a text b", "%s %s %c", "a", "text", 'b');
    FORMAT("-7 7 4294967295 ffffffff", "%d %u %u %x", -7, 7u, 4294967295u, 4294967295u);
    FORMAT("-9223372036854775808", "%ld", -9223372036854775807l - 1);
    FORMAT("18446744073709551615 ffff0000ffff0000", "%lu %lx", ~0ul, 0xffff0000ffff0000ul);
    FORMAT("[   42][42   ][00042]", "[%5d][%-5d][%05d]", 42, 42, 42);
    FORMAT("[  ab][ab  ]", "[%4s][%-4s]", "ab", "ab");
    FORMAT("ab|100%", "%.*s|%d%%", 2, "abcdef", 100);
    expect("1234567", small, text_format(small, sizeof(small), "%s", "123456789"));
    expect("", small, text_format(small, 1, "%s", "123456789"));
    failures += !text_begins("out of bounds", "out of") || text_begins("out", "out of") || !text_equal("a", "a") ||
                text_equal("a", "ab");
}

/* What a program chose must not begin a line of its own. */
static void test_line(void)
{
    char line[32], small[8];
    size_t length = text_format(line, sizeof(line), "refused: '%s'\n", "x\n\r\x1b[2Jy\x7f");
    text_make_line(line, sizeof(line), length);
    expect("refused: 'x???[2Jy?'\n", line, length);
    length = text_format(small, sizeof(small), "%s\n", "123456789");
    text_make_line(small, sizeof(small), length);
    expect("123456\n", small, length);
}

static void test_chacha20(void)
{
    const uint32_t key[8] = {0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c,
                             0x13121110, 0x17161514, 0x1b1a1918, 0x1f1e1d1c};
    const uint32_t nonce[3] = {0x09000000, 0x4a000000, 0x00000000};
    const uint32_t expected[16] = {0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3, 0xc7f4d1c7, 0x0368c033,
                                   0x9aaa2204, 0x4e6cd4c3, 0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9,
                                   0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2};
    uint32_t out[16];
    chacha20_block(key, 1, nonce, out);
    if (memcmp(out, expected, sizeof(out)) != 0) {
        printf("ChaCha20: not the block of RFC 8439\n");
        failures++;
    }
}

static void test_random(void)
{
    struct random random = {0}, same = {0};
    uint8_t seed[32] = {1, 2, 3}, first[70] = {0}, second[70] = {0}, again[70];
    failures += random_bytes(&random, first, sizeof(first)); /* not seeded: nothing */
    random_seed(&random, seed);
    random_seed(&same, seed);
    failures += !random_bytes(&random, first, sizeof(first)) || !random_bytes(&random, second, sizeof(second));
    failures += !random_bytes(&same, again, sizeof(again)) || memcmp(first, again, sizeof(first)) != 0;
    failures += memcmp(first, second, sizeof(first)) == 0 || memcmp(first, first + 32, 32) == 0;
}

/* News change what comes, all of them count, and the same news on the same state give the same. */
static void test_mix(void)
{
    uint8_t news[70] = {1}, out[3][32];
    struct random start = {0}, state;
    random_mix(&start, news, sizeof(news));
    failures += !start.is_seeded;
    for (int i = 0; i < 3; i++) {
        state = start;
        news[69] = (uint8_t)(i == 2);
        random_mix(&state, news, sizeof(news));
        failures += !random_bytes(&state, out[i], sizeof(out[i]));
    }
    failures += memcmp(out[0], out[1], sizeof(out[0])) != 0 || memcmp(out[0], out[2], sizeof(out[0])) == 0;
}

int main(void)
{
    test_format();
    test_line();
    test_chacha20();
    test_random();
    test_mix();
    printf("text and random: %u failures\n", failures);
    return failures > 0;
}
