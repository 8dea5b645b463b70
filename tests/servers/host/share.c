/* What clients of a server of files share (servers/lib/file_share.h): whoever takes all that it can get, in whatever
 * order, every other party can have its own share.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/file_share.h"

#define PARTIES 12u
#define ROUNDS  400

static const uint32_t totals[SHARE_KINDS] = {SHARE_SESSIONS, SHARE_PAGES};
static uint32_t numbers[PARTIES], held[PARTIES][SHARE_KINDS];

static void require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "share: %s\n", what);
        exit(1);
    }
}

static uint32_t chance(uint32_t below)
{
    static uint64_t state = 88172645463325252ull; /* xorshift64: Marsaglia, "Xorshift RNGs", 2003 */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 20) % below;
}

static bool take(uint32_t party, enum share_kind kind)
{
    bool is_news, is_taken = share_take(numbers[party], kind, &is_news);
    held[party][kind] += is_taken;
    return is_taken;
}

static void give(uint32_t party, enum share_kind kind, uint32_t count)
{
    for (; count > 0 && held[party][kind] > 0; count--, held[party][kind]--)
        share_give(numbers[party], kind);
}

/* The first ones take and give without end; the others are refused nothing up to their share. */
static void round_of(enum share_kind kind, uint32_t hostile)
{
    uint32_t own = totals[kind] / (2 * PARTIES), taken = 0;
    for (uint32_t step = 0; step < 2000; step++) {
        uint32_t party = chance(hostile);
        if (chance(50) == 0)
            give(party, kind, chance(40));
        else
            (void)take(party, kind);
        party = hostile + chance(PARTIES - hostile);
        if (held[party][kind] < own && chance(2))
            require(take(party, kind), "a party has less than its share and is refused");
        else
            give(party, kind, chance(3));
    }
    for (uint32_t party = 0; party < PARTIES; party++) {
        while (held[party][kind] < own)
            require(take(party, kind), "not everybody has its share at a time");
        taken += held[party][kind];
    }
    while (take(0, kind))
        taken++;
    require(taken == totals[kind], "something is left over when nobody has less than its share");
    for (uint32_t party = 0; party < PARTIES; party++)
        give(party, kind, UINT32_MAX);
}

int main(void)
{
    for (uint32_t party = 0; party < PARTIES; party++)
        require(party_join(100 + party, PARTIES, "program", &numbers[party]), "join");
    for (unsigned i = 0; i < ROUNDS; i++)
        for (enum share_kind kind = 0; kind < SHARE_KINDS; kind++)
            round_of(kind, 1 + chance(PARTIES - 1));
    bool is_news;
    while (share_take(numbers[PARTIES - 1], SHARE_OF_PAGES, &is_news))
        ;
    require(is_news && !share_take(numbers[PARTIES - 1], SHARE_OF_PAGES, &is_news) && !is_news,
            "a refusal is told once");
    puts("share: as expected");
    return 0;
}
