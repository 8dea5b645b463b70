/* See file_share.h. */
#include "file_share.h"

#include "tessera/text.h"

static struct party {
    uint32_t program, sessions; /* 0 sessions: free */
    uint32_t held[SHARE_KINDS];
    uint32_t told; /* bit per kind */
    char name[PROCESS_NAME_MAX + 1];
} parties[SHARE_SESSIONS];

static const uint32_t totals[SHARE_KINDS] = {SHARE_SESSIONS, SHARE_PAGES};
static uint32_t party_max;           /* there are never more */
static uint32_t taken[SHARE_KINDS];  /* by all of them */
static uint32_t within[SHARE_KINDS]; /* of these, what lies within somebody's own share */

/* Half of everything is shared out beforehand; the rest is for who comes first. */
static uint32_t own_share(enum share_kind kind)
{
    uint32_t share = totals[kind] / (2 * party_max);
    return share == 0 && party_max <= totals[kind] ? 1 : share;
}

static bool is_left(const struct party *party, enum share_kind kind)
{
    uint32_t own = own_share(kind), kept = own * party_max - within[kind]; /* for those who have not had theirs */
    uint32_t unused = totals[kind] - taken[kind];
    return party->held[kind] < own ? unused > 0 : unused > kept;
}

bool share_take(uint32_t number, enum share_kind kind, bool *is_news)
{
    struct party *party = &parties[number];
    *is_news = false;
    if (!is_left(party, kind)) {
        *is_news = !(party->told >> kind & 1);
        party->told |= 1u << kind;
        return false;
    }
    within[kind] += party->held[kind] < own_share(kind);
    party->held[kind]++;
    taken[kind]++;
    return true;
}

void share_give(uint32_t number, enum share_kind kind)
{
    struct party *party = &parties[number];
    party->held[kind]--;
    taken[kind]--;
    within[kind] -= party->held[kind] < own_share(kind);
}

bool party_join(uint32_t program, uint32_t programs, const char *name, uint32_t *number)
{
    struct party *unused = NULL;
    if (party_max == 0)
        party_max = programs;
    for (*number = 0; *number < SHARE_SESSIONS; ++*number) {
        struct party *party = &parties[*number];
        if (party->sessions > 0 && party->program == program) {
            party->sessions++;
            return true;
        }
        if (party->sessions == 0 && !unused)
            unused = party;
    }
    if (!unused)
        return false;
    *unused = (struct party){.program = program, .sessions = 1};
    (void)text_format(unused->name, sizeof(unused->name), "%s", name);
    *number = (uint32_t)(unused - parties);
    return true;
}

void party_leave(uint32_t number)
{
    parties[number].sessions--;
}

const char *party_name(uint32_t number)
{
    return parties[number].name;
}
