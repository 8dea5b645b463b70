/* Patterns of the permission "net": what is one, what two have in common, what each allows; and that the texts that are
 * made of them are patterns again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tessera/net_pattern.h"

static unsigned failures;

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("%s:%d: %s\n", __FILE__, __LINE__, #condition);                                                     \
            failures++;                                                                                                \
        }                                                                                                              \
    } while (0)

static struct net_pattern parsed(const char *text)
{
    struct net_pattern pattern = {0};
    if (!net_pattern_parse(text, &pattern)) {
        printf("\"%s\" is refused\n", text);
        failures++;
    }
    return pattern;
}

static bool is_text(const struct net_pattern *pattern, const char *text)
{
    char buffer[NET_PATTERN_MAX];
    size_t length = net_pattern_text(pattern, buffer, sizeof(buffer));
    if (length == strlen(text) && strcmp(buffer, text) == 0)
        return true;
    printf("\"%s\" for \"%s\"\n", buffer, text);
    return false;
}

static void test_parse(void)
{
    static const char *const same[] = {"tcp:*:1883", "udp:*:*", "tcp:*.example:443", "tcp:10.0.0.1:1-65534",
                                       "tcp:[::1]:80"};
    static const char *const none[] = {"",          "tcp",       "tcp:",       "tcp::80",         "tcp:a:",
                                       "sctp:1",    "tcp:0",     "tcp:65536",  "tcp:99999999999", "tcp:8-7",
                                       "tcp:1-",    "tcp:80x",   "tcp:*a:1",   "tcp:a*:1",        "tcp:*.:1",
                                       "tcp:**:1",  "tcp:[]:1",  "tcp:[::1:1", "tcp:a]:1",        "tcp:[a b]:1",
                                       "tcp:::1:1", "tcp:[*]:1", "tcp:a\n:1",  "tcp: 1",          "tcp:01"};
    struct net_pattern pattern;
    char long_host[300];
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        pattern = parsed(same[i]);
        EXPECT(is_text(&pattern, same[i]));
    }
    pattern = parsed("tcp:1883");
    EXPECT(is_text(&pattern, "tcp:*:1883"));
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        if (net_pattern_parse(none[i], &pattern)) {
            printf("\"%s\" is accepted\n", none[i]);
            failures++;
        }
    for (uint32_t length = NET_HOST_MAX; length <= NET_HOST_MAX + 1; length++) {
        snprintf(long_host, sizeof(long_host), "tcp:%0*d:60000-65535", (int)length, 0);
        EXPECT(net_pattern_parse(long_host, &pattern) == (length == NET_HOST_MAX));
    }
    snprintf(long_host, sizeof(long_host), "tcp:%0*d:60000-65535", (int)NET_HOST_MAX, 0);
    pattern = parsed(long_host);
    EXPECT(is_text(&pattern, long_host));
}

/* what a and b have in common; NULL: nothing */
static void meet(const char *a, const char *b, const char *expected)
{
    struct net_pattern left = parsed(a), right = parsed(b), both;
    for (int turn = 0; turn < 2; turn++) {
        bool any = turn ? net_pattern_meet(&right, &left, &both) : net_pattern_meet(&left, &right, &both);
        EXPECT(any == (expected != NULL));
        EXPECT(!any || is_text(&both, expected));
        EXPECT(!any || (net_pattern_covers(&left, &both) && net_pattern_covers(&right, &both)));
    }
}

static void test_meet(void)
{
    meet("tcp:80", "tcp:80", "tcp:*:80");
    meet("tcp:80", "udp:80", NULL);
    meet("tcp:80-90", "tcp:85-100", "tcp:*:85-90");
    meet("tcp:80-90", "tcp:91", NULL);
    meet("tcp:*.example:*", "tcp:a.example:443", "tcp:a.example:443");
    meet("tcp:*.example:*", "tcp:*.b.example:443", "tcp:*.b.example:443");
    meet("tcp:*.example:*", "tcp:example:443", NULL);
    meet("tcp:*.example:*", "tcp:*.badexample:443", NULL);
    meet("tcp:*.a:*", "tcp:*.b:*", NULL);
    meet("tcp:*:*", "tcp:[::1]:443", "tcp:[::1]:443");
    meet("tcp:*.0.1:*", "tcp:10.0.0.1:443", "tcp:10.0.0.1:443");
    EXPECT(!net_pattern_covers(&(struct net_pattern){NET_TCP, "a", 1, 1, 2},
                               &(struct net_pattern){NET_TCP, "*", 1, 1, 2}));
    EXPECT(!net_pattern_covers(&(struct net_pattern){NET_TCP, "*", 1, 1, 2},
                               &(struct net_pattern){NET_TCP, "*", 1, 1, 3}));
}

static bool matches(const char *pattern, const char *host, uint16_t port)
{
    struct net_pattern holder = parsed(pattern);
    return net_pattern_matches(&holder, NET_TCP, host, (uint32_t)strlen(host), port);
}

/* One address has many spellings; the net server has one of them. */
static void test_spellings(void)
{
    static const struct {
        const char *pattern, *same;
    } pairs[] = {{"tcp:[fd00:0::6]:*", "fd00::6"},
                 {"tcp:[FD00:0:0:0:0:0:0:06]:*", "fd00::6"},
                 {"tcp:[0::0]:*", "::"},
                 {"tcp:[0:0:0:0:0:0:0:0001]:*", "::1"},
                 {"tcp:[1::]:*", "1:0:0:0:0:0:0:0"},
                 {"tcp:[1:2:3:4:5:6:7:0]:*", "1:2:3:4:5:6:7::"},
                 {"tcp:[0:2:0:0:5::]:*", "0:2::5:0:0:0"}};
    static const char *const others[] = {"fd00::5", "fd00::6:0", "fd00::60", "::fd00:0:6", "fd00::", "6", ""};
    static const char *const nonsense[] = {
        "fd00:::6", "fd00::6::", "fd00::00006", "fd00::6:", ":fd00::6", "fd00:0:0:0:0:0:0:0:6", "fd00::0:0:0:0:0:0:0:6",
        "fd00::g",  "fd00:6",    ":",           ":::"};
    char text[64];
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        EXPECT(matches(pairs[i].pattern, pairs[i].same, 443));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        EXPECT(!matches("tcp:[fd00::6]:*", others[i], 443));
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        EXPECT(!matches("tcp:[fd00::6]:*", nonsense[i], 443));
        snprintf(text, sizeof(text), "tcp:[fd00:0::%zu]:*", i);
        EXPECT(!matches(text, nonsense[i], 443));
    }
}

static void test_match(void)
{
    EXPECT(net_name_is_good("www.EXAMPLE-1_a", 15) && net_name_is_good("fec0::1", 7));
    EXPECT(!net_name_is_good("", 0) && !net_name_is_good("1.2.3.4 x.example", 17) &&
           !net_name_is_good("a\0.example", 10) && !net_name_is_good("\303\244.example", 10) &&
           !net_name_is_good("*.example", 9) && !net_name_is_good("a%1", 3));
    EXPECT(matches("tcp:*.example:443", "www.EXAMPLE", 443));
    EXPECT(matches("tcp:*.example:443", "a.b.example", 443));
    EXPECT(!matches("tcp:*.example:443", "example", 443));
    EXPECT(!matches("tcp:*.example:443", ".example", 443));
    EXPECT(!matches("tcp:*.example:443", "www.example.evil", 443));
    EXPECT(!matches("tcp:*.example:443", "www.example", 444));
    EXPECT(!matches("tcp:*:443", "*", 443));
    EXPECT(!matches("tcp:*:443", "", 443));
    EXPECT(!matches("udp:*:443", "a", 443));
    EXPECT(matches("tcp:[FE80::1]:443", "fe80::1", 443));
    test_spellings();
}

/* Bytes of chance, mostly such as patterns are made of: no crash, and what is accepted can be told and read again. */
static void test_random(void)
{
    static const char letters[] = "tcpudp:*.-[]0123456789aZ";
    char text[24], again[NET_PATTERN_MAX];
    unsigned accepted = 0;
    srand(1);
    for (unsigned i = 0; i < 2000000; i++) {
        struct net_pattern first, second;
        size_t length = (size_t)rand() % (sizeof(text) - 1), at = rand() % 4 ? 4 : 0;
        memcpy(text, "tcp:", 4);
        for (; at < length; at++)
            text[at] = letters[(size_t)rand() % (sizeof(letters) - 1)];
        text[length] = 0;
        if (!net_pattern_parse(text, &first))
            continue;
        accepted++;
        size_t bytes = net_pattern_text(&first, again, sizeof(again));
        EXPECT(bytes + 1 < sizeof(again) && net_pattern_parse(again, &second));
        EXPECT(net_pattern_covers(&first, &second) && net_pattern_covers(&second, &first));
    }
    EXPECT(accepted > 1000);
}

int main(void)
{
    test_parse();
    test_meet();
    test_match();
    test_random();
    printf("net patterns: %u failures\n", failures);
    return failures > 0;
}
