/* See tessera/share.h. */
#include "tessera/share.h"

#include <stddef.h>

#include "proto/process.h"
#include "tessera/text.h"

static struct party {
    uint32_t program, clients, cpu;
    uint32_t held[SHARE_KINDS_MAX], held_all; /* no client and nothing held: free */
    uint32_t told;                            /* bit per kind */
    char name[PROCESS_NAME_MAX + 1];
} parties[SHARE_PARTIES];

static const struct share_kind *kinds;
static uint32_t party_max;               /* there are never more */
static uint32_t taken[SHARE_KINDS_MAX];  /* by all of them */
static uint32_t within[SHARE_KINDS_MAX]; /* of these, what lies within somebody's own share */

void shares_set(const struct share_kind *all)
{
    kinds = all;
}

const char *share_name(uint32_t kind)
{
    return kinds[kind].name;
}

/* What is divided beforehand; one each at least, where there are so many. */
static uint32_t own_share(uint32_t kind)
{
    uint32_t share = kinds[kind].divided / party_max;
    return share == 0 && party_max <= kinds[kind].total ? 1 : share;
}

bool share_is_left(uint32_t number, uint32_t kind)
{
    uint32_t own = own_share(kind), kept = own * party_max - within[kind]; /* for those who have not had theirs */
    uint32_t unused = kinds[kind].total - taken[kind];
    return parties[number].held[kind] < own ? unused > 0 : unused > kept;
}

bool share_take(uint32_t number, uint32_t kind, bool *is_news)
{
    struct party *party = &parties[number];
    *is_news = false;
    if (!share_is_left(number, kind)) {
        *is_news = !(party->told >> kind & 1);
        party->told |= 1u << kind;
        return false;
    }
    within[kind] += party->held[kind] < own_share(kind);
    party->held[kind]++;
    party->held_all++;
    taken[kind]++;
    return true;
}

void share_give(uint32_t number, uint32_t kind)
{
    struct party *party = &parties[number];
    party->held[kind]--;
    party->held_all--;
    taken[kind]--;
    within[kind] -= party->held[kind] < own_share(kind);
}

bool party_join(uint32_t program, uint32_t programs, const char *name, uint32_t *number)
{
    struct party *unused = NULL;
    if (party_max == 0)
        party_max = programs;
    for (*number = 0; *number < SHARE_PARTIES; ++*number) {
        struct party *party = &parties[*number];
        bool is_free = party->clients == 0 && party->held_all == 0;
        if (!is_free && party->program == program) {
            party->clients++;
            return true;
        }
        if (is_free && !unused)
            unused = party;
    }
    if (!unused)
        return false;
    *unused = (struct party){.program = program, .clients = 1};
    (void)text_format(unused->name, sizeof(unused->name), "%s", name);
    *number = (uint32_t)(unused - parties);
    return true;
}

void party_leave(uint32_t number)
{
    parties[number].clients--;
}

uint32_t party_cpu(uint32_t number)
{
    return parties[number].cpu;
}

void party_cpu_set(uint32_t number, uint32_t thousandths)
{
    parties[number].cpu = thousandths;
}

const char *party_name(uint32_t number)
{
    return parties[number].name;
}
