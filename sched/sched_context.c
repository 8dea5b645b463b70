/* Scheduling contexts: budgets, lending, the timer's deadline. See sched_context.h. */
#include <arch/timer.h>
#include <kernel/clock.h>
#include <sched/core_block.h>

#define RELEASES_PER_CALL 4

void sched_context_init(void *object)
{
    struct sched_context *sc = object;
    sc->core = &kernel_cores[0].core;
    sc->refill_max = 2;
}

/* --- refills --- */

static struct refill *refill_at(struct sched_context *sc, unsigned index)
{
    return &sc->refills[(sc->refill_head + index) % REFILLS_MAX];
}

static struct refill refill_pop(struct sched_context *sc)
{
    struct refill refill = *refill_at(sc, 0);
    sc->refill_head = (uint8_t)((sc->refill_head + 1) % REFILLS_MAX);
    sc->refill_count--;
    return refill;
}

/* What joining a refill with the next costs: the first one's amount comes later. Squared, since a thread that could run
 * all the time misses the largest refill that is late, not all of them. */
static unsigned __int128 join_cost(struct refill first, struct refill next)
{
    return (unsigned __int128)first.amount * first.amount * (next.time - first.time);
}

/* Joins the two neighbours for which that costs least, `last` being the tail's neighbour. The first refill is in use
 * and stays. */
static void refill_join(struct sched_context *sc, struct refill *last)
{
    unsigned count = sc->refill_count, best = count - 1;
    unsigned __int128 least = join_cost(*refill_at(sc, best), *last);
    for (unsigned i = 1; i + 1 < count; i++) {
        unsigned __int128 cost = join_cost(*refill_at(sc, i), *refill_at(sc, i + 1));
        if (cost < least) {
            least = cost;
            best = i;
        }
    }
    struct refill first = *refill_at(sc, best), *next = best + 1 < count ? refill_at(sc, best + 1) : last;
    next->time -= first.amount;
    next->amount += first.amount;
    for (unsigned i = best; i + 1 < count; i++)
        *refill_at(sc, i) = *refill_at(sc, i + 1);
    sc->refill_count--;
}

/* Adds a refill behind the others, merged with the last where they touch. When the ring is full, two that lie close
 * together become one: budget comes later rather than earlier. */
static void refill_push(struct sched_context *sc, struct refill refill)
{
    if (sc->refill_count > 0) {
        struct refill *tail = refill_at(sc, sc->refill_count - 1u);
        if (tail->time + tail->amount >= refill.time) {
            tail->amount += refill.amount;
            return;
        }
        if (sc->refill_count == sc->refill_max)
            refill_join(sc, &refill);
    }
    *refill_at(sc, sc->refill_count++) = refill;
}

/* What the thread did not use of a refill's head start stays usable: refills that are due by then become one. */
static void refill_start(struct sched_context *sc, uint64_t now)
{
    refill_at(sc, 0)->time = now;
    while (sc->refill_count > 1 && refill_at(sc, 1)->time <= now + refill_at(sc, 0)->amount) {
        struct refill first = refill_pop(sc);
        refill_at(sc, 0)->time = first.time;
        refill_at(sc, 0)->amount += first.amount;
    }
}

/* Who has it is in the middle of a call: it may end what it does for the lender. */
static bool refill_is_lent(const struct sched_context *sc)
{
    return sc->tcb && sc->tcb->lender && sc->refill_max > 1; /* with one it is the rescue context */
}

/* Uses a piece of the first refill, which comes back a period after it might be used. */
static void refill_use_part(struct sched_context *sc, uint64_t amount)
{
    struct refill *head = refill_at(sc, 0), part = {head->time + sc->period, amount};
    uint64_t crumb_end = sc->refill_max > 2 ? kernel.min_budget / 4 : kernel.min_budget;
    head->time += amount;
    head->amount -= amount;
    while (sc->refill_count > 0 && refill_at(sc, 0)->amount < crumb_end) { /* a crumb comes with the next */
        uint64_t crumb = refill_pop(sc).amount;
        *(sc->refill_count > 0 ? &refill_at(sc, 0)->amount : &part.amount) += crumb;
    }
    refill_push(sc, part);
}

/* In what time is that little earned? Exact within a tick or what `used` is short of dividing the budget, and no less.
 */
static uint64_t refill_earning_ticks(const struct sched_context *sc, uint64_t used)
{
    return used * (sc->period / sc->budget) + sc->period % sc->budget / (sc->budget / used) + 1;
}

/* What was used beyond the budget is taken from the refills to come. Not so the little that the interrupt at the end of
 * a budget is late, which would leave crumbs: all refills come later by the time in which as much is earned. (Four
 * budgets are gone at once only when the machine stood still: then the rest is delay, too.) */
static void refill_use_sporadic(struct sched_context *sc, uint64_t used, uint64_t now)
{
    for (unsigned left = 4 * REFILLS_MAX; left > 0 && used > 0; left--) {
        const struct refill *head = refill_at(sc, 0);
        if (head->time >= CLOCK_FOREVER) /* a debt of centuries grows no more: times never wrap */
            return;
        uint64_t part = used < head->amount ? used : head->amount;
        if (head->time <= now)
            sc->overdrawn = 0;
        else if (used < kernel.min_budget && sc->overdrawn == 0 && !refill_is_lent(sc))
            break;
        else
            sc->overdrawn += part;
        refill_use_part(sc, part);
        used -= part;
    }
    if (used > 0 && used < kernel.min_budget)
        used = refill_earning_ticks(sc, used);
    for (unsigned i = 0; i < sc->refill_count; i++)
        refill_at(sc, i)->time += used;
}

/* The flag lets the fast path's switch see to it that a borrower does no more than to end its work: overdraft_pass. */
static bool refill_is_usable(struct sched_context *sc, uint64_t now)
{
    if (refill_at(sc, 0)->time <= now)
        return true;
    if (!refill_is_lent(sc) || sc->overdrawn >= OVERDRAFT_MINIMA * kernel.min_budget)
        return false;
    sc->tcb->flags |= TCB_FLAG_OVERDRAWN;
    return true;
}

/* Returns true when no budget is left to go on with. */
static bool refill_use(struct sched_context *sc, uint64_t used, uint64_t now)
{
    struct refill *head = &sc->refills[0]; /* round robin has no other */
    kassert(sc->budget != 0);              /* else it cannot run */
    if (!sched_context_is_round_robin(sc)) {
        refill_use_sporadic(sc, used, now);
        return !refill_is_usable(sc, now);
    }
    if (used + kernel.min_budget > head->amount) {
        uint64_t most = sc->budget - kernel.min_budget, debt = sc->overdrawn < most ? sc->overdrawn : most;
        sc->overdrawn -= debt;
        *head = (struct refill){now, sc->budget - debt};
        sc->has_ended = sc->tcb && sc->tcb->lender;
        return true;
    }
    head->amount -= used;
    return false;
}

bool sched_context_is_ready(struct sched_context *sc)
{
    if (sched_context_is_round_robin(sc))
        return true;
    uint64_t now = arch_timer_now();
    if (!refill_is_usable(sc, now))
        return false;
    if (sc->core->charged != sc && refill_at(sc, 0)->time <= now)
        refill_start(sc, now);
    return true;
}

void sched_context_configure(struct core *core, struct sched_context *sc, uint64_t budget, uint64_t period,
                             unsigned refills, word badge)
{
    uint64_t now = arch_timer_now();
    if (core->charged == sc)
        sched_charge(core, now);
    if (heap_contains(&sc->release))
        heap_remove(&core->releases, &sc->release);
    sc->budget = budget;
    sc->period = period;
    sc->badge = badge;
    sc->refill_max = (uint8_t)refills;
    sc->refill_head = 0;
    sc->refill_count = 1;
    sc->overdrawn = 0;
    sc->refills[0] = (struct refill){now, budget};
    core->deadline_dirty = true;
    if (sc->tcb)
        thread_update(core, sc->tcb);
}

/* --- binding and lending --- */

void sched_context_bind(struct core *core, struct sched_context *sc, struct tcb *tcb)
{
    sc->tcb = tcb;
    tcb->sched_context = sc;
    thread_update(core, tcb);
}

void sched_context_take(struct core *core, struct tcb *tcb)
{
    struct sched_context *sc = tcb->sched_context;
    if (heap_contains(&sc->release))
        heap_remove(&core->releases, &sc->release);
    tcb->sched_context = NULL;
    sc->tcb = NULL;
    thread_update(core, tcb);
}

static void lender_unlink(struct tcb *tcb)
{
    if (tcb->lender) {
        tcb->lender->borrower = NULL;
        tcb->lender = NULL;
    }
}

void sched_context_unbind(struct core *core, struct sched_context *sc)
{
    struct tcb *holder = sc->tcb;
    if (!holder)
        return;
    sched_context_take(core, holder);
    if (holder->state == THREAD_BLOCKED_RECV) {
        lender_unlink(holder);
        thread_unstrand(core, holder);
    } else if (holder->lender) {
        thread_strand(core, holder);
    }
}

void sched_context_give(struct core *core, struct sched_context *sc, struct tcb *tcb)
{
    if (tcb->flags & TCB_FLAG_STRANDED) {
        sched_context_return(core, tcb);
        thread_unstrand(core, tcb);
    }
    sched_context_bind(core, sc, tcb);
}

void sched_context_lend(struct core *core, struct tcb *from, struct tcb *to)
{
    struct sched_context *sc = from->sched_context;
    if (to->flags & TCB_FLAG_STRANDED)
        thread_unstrand(core, to);
    lender_unlink(to);
    from->borrower = to;
    to->lender = from;
    if (!sc) {
        thread_strand(core, to);
        return;
    }
    from->sched_context = NULL;
    to->sched_context = sc;
    sc->tcb = to;
    if (from == core->current)
        core->reschedule = true;
}

void sched_context_return(struct core *core, struct tcb *tcb)
{
    struct tcb *lender = tcb->lender;
    struct sched_context *sc = tcb->sched_context;
    if (!lender || tcb->borrower)
        return;
    lender_unlink(tcb);
    if (sc && !sched_context_is_rescue(sc)) {
        sched_context_take(core, tcb);
        sched_context_bind(core, sc, lender);
        return;
    }
    thread_unstrand(core, tcb);
    if (lender->lender || lender->flags & TCB_FLAG_STRANDED) /* it had borrowed the lost one itself */
        thread_strand(core, lender);
}

bool sched_context_slice_goes_on(const struct tcb *tcb)
{
    struct sched_context *sc = tcb->sched_context;
    bool has_ended = sc && sc->has_ended;
    if (has_ended)
        sc->has_ended = tcb->lender != NULL; /* lent on: the next one in the chain goes behind its equals, too */
    return !has_ended;
}

/* A borrower has lost its lender: it keeps what context it has to the end of its work. */
static void borrower_settle(struct core *core, struct tcb *borrower)
{
    if (borrower->state != THREAD_BLOCKED_RECV)
        thread_strand(core, borrower);
    else if (borrower->sched_context)
        sched_context_take(core, borrower);
}

void sched_context_recall(struct core *core, struct tcb *borrower)
{
    sched_context_return(core, borrower);
    if (!borrower->lender)
        borrower_settle(core, borrower);
}

void sched_context_leave(struct core *core, struct tcb *tcb)
{
    struct tcb *borrower = tcb->borrower;
    if (borrower) {
        borrower->lender = tcb->lender;
        if (tcb->lender)
            tcb->lender->borrower = borrower;
        tcb->borrower = tcb->lender = NULL;
        if (!borrower->lender)
            borrower_settle(core, borrower);
        else if (borrower->lender->state != THREAD_BLOCKED_REPLY && borrower->state == THREAD_BLOCKED_RECV)
            sched_context_recall(core, borrower); /* nothing is left to do on it */
    } else if (tcb->lender) {
        sched_context_return(core, tcb);
    } else if (tcb->sched_context) {
        sched_context_take(core, tcb);
    }
}

bool sched_context_destroy(struct core *core, struct cap cap)
{
    struct sched_context *sc = cap_object(cap);
    if (core->charged == sc) {
        core->charged = NULL;
        core->reschedule = true;
    }
    sched_context_unbind(core, sc);
    if (heap_contains(&sc->release))
        heap_remove(&core->releases, &sc->release);
    return true;
}

/* --- time --- */

bool sched_charge(struct core *core, uint64_t now)
{
    struct sched_context *sc = core->charged;
    uint64_t used = now - core->charge_start;
    core->charge_start = now;
    core->is_charged = true;
    if (!sc)
        return false;
    sc->consumed += used;
    return refill_use(sc, used, now);
}

void sched_charge_now(struct core *core)
{
    if (!sched_charge(core, arch_timer_now()))
        return;
    core->deadline_dirty = true;
    if (sched_context_is_round_robin(core->charged))
        thread_yield(core);
    else
        core->reschedule = true;
}

void sched_switch_context(struct core *core, struct sched_context *next)
{
    struct sched_context *last = core->charged;
    /* is_charged: this entry into the kernel has read the clock already */
    if (!core->is_charged && sched_charge(core, arch_timer_now()) && last->tcb && sched_context_is_round_robin(last))
        thread_requeue(core, last->tcb); /* overtaken at the end of its time slice */
    core->charged = next;
    core->deadline_dirty = true;
}

void sched_context_charge_extra(struct sched_context *sc, uint64_t ticks, uint64_t now)
{
    struct core *core = sc->core;
    sc->consumed += ticks;
    if (sched_context_is_round_robin(sc)) {
        sc->overdrawn += ticks; /* so much shorter is its next time slice */
        return;
    }
    if (core->charged != sc && refill_at(sc, 0)->time <= now)
        refill_start(sc, now); /* nobody used it for a while: what is used now does not come back before its time */
    refill_use_sporadic(sc, ticks, now);
    if (core->charged != sc)
        return;
    core->deadline_dirty = true; /* it ends earlier */
    if (!refill_is_usable(sc, now))
        core->reschedule = true;
}

bool sched_context_can_pay(struct sched_context *sc)
{
    if (sc == sc->core->charged)
        return true;
    return sc->budget != 0 && (sched_context_is_round_robin(sc) || refill_at(sc, 0)->time <= arch_timer_now());
}

static uint64_t time_add(uint64_t time, uint64_t ticks)
{
    return time + ticks < time ? ARCH_TIMER_NEVER : time + ticks;
}

/* How long it may run from then on; the first refill's time may have come while the kernel was at work. */
static uint64_t refill_rest(struct sched_context *sc, uint64_t now)
{
    const struct refill *head = refill_at(sc, 0);
    uint64_t overdraft = OVERDRAFT_MINIMA * kernel.min_budget - sc->overdrawn;
    return head->time > now + kernel.min_budget && overdraft < head->amount ? overdraft : head->amount;
}

void sched_set_deadline(struct core *core)
{
    uint64_t deadline = ARCH_TIMER_NEVER;
    struct sched_context *sc = core->charged;
    core->deadline_dirty = false;
    if (sc && !sched_context_is_round_robin(sc))
        deadline = time_add(core->charge_start, refill_rest(sc, core->charge_start));
    else if (sc && core->ready[core->current->priority].head) /* a time slice ends only for the sake of somebody else */
        deadline = time_add(core->charge_start, sc->refills[0].amount);
    if (core->releases && core->releases->key < deadline)
        deadline = core->releases->key;
    if (core->timers && core->timers->key < deadline)
        deadline = core->timers->key;
    /* One that is set too early costs one interrupt; setting it anew costs more, and more often. */
    if (deadline < core->deadline) {
        core->deadline = deadline;
        arch_timer_set(core, deadline);
    }
}

void sched_release(struct core *core, uint64_t now)
{
    for (unsigned left = RELEASES_PER_CALL; left > 0 && core->releases && core->releases->key <= now; left--) {
        if (left < RELEASES_PER_CALL && preemption_wanted(core))
            break;
        struct sched_context *sc = (struct sched_context *)core->releases; /* release is the first member */
        heap_remove(&core->releases, &sc->release);
        if (sched_context_is_rescue(sc))
            rescue_rotate(core);
        else if (sc->tcb)
            thread_update(core, sc->tcb);
    }
}
_Static_assert(offsetof(struct sched_context, release) == 0, "sched_release relies on it");
