/* What clients of a server share (tessera/share.h): whoever takes all that it can get, in whatever
 * order, every other party can have its own share.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tessera/share.h"

#define PARTIES 12u
#define ROUNDS  400

enum { HALF, LITTLE, SCARCE, KINDS };
static const struct share_kind kinds[KINDS] = {
    [HALF] = {"halves", 192, 96}, [LITTLE] = {"much for who comes first", 1100, 96}, [SCARCE] = {"scarce", 16, 8}};
static uint32_t numbers[PARTIES], held[PARTIES][KINDS];

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

static bool take(uint32_t party, uint32_t kind)
{
    bool is_news, is_taken = share_take(numbers[party], kind, &is_news);
    held[party][kind] += is_taken;
    return is_taken;
}

static void give(uint32_t party, uint32_t kind, uint32_t count)
{
    for (; count > 0 && held[party][kind] > 0; count--, held[party][kind]--)
        share_give(numbers[party], kind);
}

/* The first ones take and give without end; the others are refused nothing up to their share. */
static void round_of(uint32_t kind, uint32_t hostile)
{
    uint32_t divided = kinds[kind].divided / PARTIES, own = divided ? divided : 1, taken = 0;
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
    require(taken == kinds[kind].total, "something is left over when nobody has less than its share");
    for (uint32_t party = 0; party < PARTIES; party++)
        give(party, kind, UINT32_MAX);
}

int main(void)
{
    shares_set(kinds);
    for (uint32_t party = 0; party < PARTIES; party++)
        require(party_join(100 + party, PARTIES, "program", &numbers[party]), "join");
    for (unsigned i = 0; i < ROUNDS; i++)
        for (uint32_t kind = 0; kind < KINDS; kind++)
            round_of(kind, 1 + chance(PARTIES - 1));
    bool is_news;
    while (share_take(numbers[PARTIES - 1], LITTLE, &is_news))
        ;
    require(is_news && !share_take(numbers[PARTIES - 1], LITTLE, &is_news) && !is_news, "a refusal is told once");
    /* One that has no clients any more is who it was, while it holds something. */
    uint32_t again;
    party_leave(numbers[PARTIES - 1]);
    require(party_join(100 + PARTIES - 1, PARTIES, "program", &again) && again == numbers[PARTIES - 1],
            "the same party");
    require(party_join(500, PARTIES, "another", &again) && again >= PARTIES, "another party");
    puts("share: as expected");
    return 0;
}
