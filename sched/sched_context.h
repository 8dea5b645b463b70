/* Scheduling contexts: the right to a share of a core's time.
 *
 * Budget and period in timer ticks. Budget = period is round robin: the budget is a time slice, refilled at once, and
 * its end sends the thread behind its equals. Otherwise the context is a sporadic server (B. Sprunt, L. Sha, J.
 * Lehoczky, "Aperiodic task scheduling for hard-real-time systems", 1989; as seL4-MCS has it): a ring of refills, each
 * an amount and the time from which it may be used; what is used comes back one period after its use began.
 *
 * What is used beyond the budget is taken from the refills to come, before their time: so a context gets its share in
 * the long run, and no more, however late its end is noticed. A thread that has borrowed the context may do so on
 * purpose, up to OVERDRAFT_MINIMA (docs/kernel.md: "A server ends its request").
 *
 * Time is charged to core->charged when the running context changes, on the timer interrupt and when somebody asks.
 * Lending a context with a Call reads no clock.
 */
#ifndef SCHED_CONTEXT_H
#define SCHED_CONTEXT_H

#include <sched/heap.h>
#include <sched/thread.h>

#define REFILLS_MAX      (2 + SCHED_EXTRA_REFILLS_MAX)
#define OVERDRAFT_MINIMA 10 /* of kernel.min_budget */

struct refill {
    uint64_t time, amount;
};

struct sched_context {
    struct heap_node release; /* in core->releases while a runnable thread waits for budget; key = time */
    struct tcb *tcb;          /* who has it now */
    struct notification *notification;
    struct core *core;
    uint64_t budget, period; /* 0: not configured, cannot run */
    uint64_t consumed;       /* since last asked */
    uint64_t overdrawn;      /* taken from refills before their time, since the last that was due, or time slices */
    word badge;
    uint8_t refill_head, refill_count, refill_max;
    bool has_ended; /* round robin: its time slice ended while it was lent, so the lender goes behind its equals */
    struct refill refills[REFILLS_MAX];
};
_Static_assert(sizeof(struct sched_context) <= 1u << OBJECT_BITS_SCHED_CONTEXT, "a SchedContext takes 512 bytes");

static inline bool sched_context_is_round_robin(const struct sched_context *sc)
{
    return sc->budget == sc->period;
}

/* Has it a context of its own that may be used at any time? No clock is read. */
static inline bool thread_has_simple_context(const struct tcb *tcb)
{
    const struct sched_context *sc = tcb->sched_context;
    return sc && sc->budget != 0 && sched_context_is_round_robin(sc);
}

void sched_context_init(void *object);
bool sched_context_destroy(struct core *core, struct cap cap);

/* budget, period > 0, budget <= period, refills 2 .. REFILLS_MAX. What was bound stays bound. */
void sched_context_configure(struct core *core, struct sched_context *sc, uint64_t budget, uint64_t period,
                             unsigned refills, word badge);

/* Ties a context that nobody has to a thread that has none (sched_context_give: to stay, so it is not stranded any
 * more). */
void sched_context_give(struct core *core, struct sched_context *sc, struct tcb *tcb);
void sched_context_bind(struct core *core, struct sched_context *sc, struct tcb *tcb);
/* Takes it from whoever has it; links of lending end. */
void sched_context_unbind(struct core *core, struct sched_context *sc);

/* Lends the context of `from` (it has one) to `to` (it has none). */
void sched_context_lend(struct core *core, struct tcb *from, struct tcb *to);
/* `tcb` gives a borrowed context back to its lender; nothing if it is no borrower or has lent it on. */
void sched_context_return(struct core *core, struct tcb *tcb);
/* The thread dies or is stopped for good: it leaves the chain of lending; a context that it holds goes to its lender.
 */
void sched_context_leave(struct core *core, struct tcb *tcb);

/* `tcb` has what it lent back with an answer: is its time slice still the one that it began? */
bool sched_context_slice_goes_on(const struct tcb *tcb);
/* The lender's call ended before the answer: it has its context back at once, if `borrower` has not lent it on; what
 * the borrower still does, it does stranded. */
void sched_context_recall(struct core *core, struct tcb *borrower);
/* Takes the context from the thread that has it; links of lending stay. */
void sched_context_take(struct core *core, struct tcb *tcb);

/* --- rescue.c --- */

void rescue_start(struct core *core);
bool sched_context_is_rescue(const struct sched_context *sc);
/* After each change of a stranded thread's state or context. */
void rescue_update(struct core *core, struct tcb *tcb);
/* The rescue context has budget again. */
void rescue_rotate(struct core *core);
/* The thread has lost what it ran on; it has something else, or waits for something new. */
void thread_strand(struct core *core, struct tcb *tcb);
void thread_unstrand(struct core *core, struct tcb *tcb);

/* Has it budget that may be used now? Reads the clock only for sporadic contexts. */
bool sched_context_is_ready(struct sched_context *sc);

/* Charges what has run up to `now`. Returns true when the running context is out of budget. */
bool sched_charge(struct core *core, uint64_t now);
/* The same up to now, with what follows when the budget is used up. */
void sched_charge_now(struct core *core);
/* The running context changes to `next` (NULL: idle). */
void sched_switch_context(struct core *core, struct sched_context *next);
/* Extra work done for the context's owner, like a timer's expiry. */
void sched_context_charge_extra(struct sched_context *sc, uint64_t ticks, uint64_t now);
/* Is it the running one, or has it budget? */
bool sched_context_can_pay(struct sched_context *sc);
/* Sets the timer to the earliest thing that needs it. */
void sched_set_deadline(struct core *core);
/* Threads whose budget has come back become ready. At most a fixed number per call. */
void sched_release(struct core *core, uint64_t now);

#endif
