/* Time of the net server that limited programs have used. The net server works above all programs, so what it does for
 * one is nobody's but the others' time: for a program whose CPU time is limited it does as much as that limit says, for
 * all of its family together, and what is beyond that waits. What is done in one event is charged to each limited party
 * whose streams had a part in it.
 */
#include "net.h"
#include "proto/start.h"
#include "tessera/clock.h"
#include "tessera/share.h"

#define PERIOD_NS 10000000u

static struct account {
    uint64_t begin, spent; /* ticks: the period's begin, and what was used in it or before and not made up for yet */
    bool is_charged;       /* for the event that is being handled */
} accounts[SHARE_PARTIES];
static uint32_t charged[SHARE_PARTIES], charged_count; /* parties */
static uint64_t charged_since, waiting_until;

static uint64_t period_ticks(void)
{
    static uint64_t ticks;
    if (!ticks)
        ticks = clock_ticks_of(PERIOD_NS, net_page->timer_hz);
    return ticks;
}

static uint64_t allowance(uint32_t party)
{
    return period_ticks() * party_cpu(party) / 1000;
}

/* Periods that have passed make up for what was used in them. */
static void period_follow(uint32_t party, uint64_t now)
{
    struct account *account = &accounts[party];
    uint64_t passed = (now - account->begin) / period_ticks(), made_up = passed * allowance(party);
    if (passed == 0)
        return;
    account->begin += passed * period_ticks();
    account->spent = account->spent > made_up ? account->spent - made_up : 0;
}

bool time_is_left(uint32_t party)
{
    if (party_cpu(party) == 0)
        return true;
    struct account *account = &accounts[party];
    uint64_t now = clock_ticks();
    period_follow(party, now);
    if (!account->is_charged) {
        account->is_charged = true;
        charged[charged_count++] = party;
        charged_since = charged_since ? charged_since : now;
    }
    if (account->spent + (now - charged_since) < allowance(party))
        return true;
    if (!waiting_until || account->begin + period_ticks() < waiting_until)
        waiting_until = account->begin + period_ticks();
    return false;
}

void time_settle(void)
{
    uint64_t used = charged_count > 0 ? clock_ticks() - charged_since : 0;
    for (; charged_count > 0; charged_count--) {
        struct account *account = &accounts[charged[charged_count - 1]];
        account->spent += used;
        account->is_charged = false;
    }
    charged_since = 0;
}

uint64_t time_waiting_until(void)
{
    return waiting_until;
}

bool time_comes(void)
{
    bool is_due = waiting_until && clock_ticks() >= waiting_until;
    if (is_due)
        waiting_until = 0;
    return is_due;
}
