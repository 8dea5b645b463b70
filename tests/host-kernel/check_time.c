/* Budgets are conserved: what each scheduling context uses in any stretch of time as long as its period.
 *
 * This half of the checker does not look at refills. It sees who runs from one entry into the kernel to the next and
 * keeps, for each context, when that was. A stretch that holds the most use ends where some use ends, so it is enough
 * to look back from there. In every period there may be
 *
 *   - the budget,
 *   - what a borrower draws beyond it to end its work: OVERDRAFT_MINIMA,
 *   - for each refill the time by which the interrupt at its end was late.
 *
 * A context that is configured begins anew with a full budget.
 */
#include "check.h"

#define CONTEXTS 64
#define USES     256 /* of each; older ones are forgotten */

struct use {
    uint64_t start, end;
    bool is_lent;
};
static struct history {
    const struct sched_context *sc;
    unsigned first, count;
    struct use uses[USES];
} histories[CONTEXTS];

/* Since the last look; as it was then, for it may be gone. */
static struct {
    const struct sched_context *sc;
    uint64_t since, budget, period;
    unsigned refill_max;
    bool is_lent;
} running;
uint64_t model_lateness; /* of interrupts, at most; 0: time is not as on a machine, nothing is checked */

static struct history *history_of(const struct sched_context *sc)
{
    struct history *oldest = &histories[0];
    for (struct history *h = histories; h < histories + CONTEXTS; h++) {
        if (h->sc == sc)
            return h;
        if (h->count == 0 || (oldest->count > 0 && h->uses[(h->first + h->count - 1) % USES].end <
                                                       oldest->uses[(oldest->first + oldest->count - 1) % USES].end))
            oldest = h;
    }
    *oldest = (struct history){.sc = sc};
    return oldest;
}

static void use_add(struct history *h, struct use use)
{
    struct use *last = &h->uses[(h->first + h->count + USES - 1) % USES];
    if (h->count > 0 && last->end == use.start) {
        last->end = use.end;
        last->is_lent |= use.is_lent;
        return;
    }
    if (h->count == USES) {
        h->first = (h->first + 1) % USES;
        h->count--;
    }
    h->uses[(h->first + h->count++) % USES] = use;
}

/* In the period that ends now. */
static void period_check(const struct history *h)
{
    uint64_t begin = model_now > running.period ? model_now - running.period : 0, used = 0;
    bool was_lent = false;
    for (unsigned i = h->count; i > 0; i--) {
        const struct use *use = &h->uses[(h->first + i - 1) % USES];
        if (use->end <= begin)
            break;
        used += use->end - (use->start > begin ? use->start : begin);
        was_lent |= use->is_lent;
    }
    uint64_t most = running.budget + running.refill_max * model_lateness;
    most += was_lent ? OVERDRAFT_MINIMA * kernel.min_budget + model_lateness : 0;
    if (used > most)
        fprintf(stderr, "a context used %lu in a period of %lu, its budget being %lu\n", used, running.period,
                running.budget);
    CHECK(used <= most);
}

void check_time(const struct core *core)
{
    if (model_lateness > 0 && running.sc && running.budget < running.period && model_now > running.since) {
        struct history *h = history_of(running.sc);
        use_add(h, (struct use){running.since, model_now, running.is_lent});
        period_check(h);
    }
    const struct sched_context *sc = core->current->sched_context;
    running.sc = sc;
    running.since = model_now;
    running.is_lent = core->current->lender != NULL;
    running.budget = sc ? sc->budget : 0;
    running.period = sc ? sc->period : 0;
    running.refill_max = sc ? sc->refill_max : 0;
}

void check_time_configured(const struct sched_context *sc)
{
    for (struct history *h = histories; h < histories + CONTEXTS; h++)
        if (h->sc == sc)
            h->count = 0;
    if (running.sc == sc)
        running.sc = NULL; /* until the next look */
}

void check_time_reset(void)
{
    memset(histories, 0, sizeof(histories));
    running.sc = NULL;
}
