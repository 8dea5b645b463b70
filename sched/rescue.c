/* Time of last resort: threads whose borrowed sched context went away in the middle of their work.
 *
 * A passive server works on its caller's context. When that is deleted or unbound, or taken back because the call was
 * aborted, the server is *stranded*: it can neither finish nor take the next call, and whoever waits for it would wait
 * for ever. So each core has one small context of its own, 0.2 % of the time, which goes from one stranded thread that
 * could run to the next, at the latest when its budget is used up. It is no gift worth stealing, and enough to end a
 * request. (One refill: pieces of different size would meet the same threads again and again.) A thread stops being
 * stranded when it waits for something new, when somebody lends it a context, or when it is given one.
 *
 * TCB_FLAG_STRANDED without any context: it waits here when it is RUNNING. With a context that is not the rescue's: the
 * lender died; it is given up in the same way.
 */
#include <sched/core_block.h>

#define BUDGET_MINIMA 2 /* of kernel.min_budget */
#define PERIOD_MINIMA 1000

void rescue_start(struct core *core)
{
    struct sched_context *sc = &core_block_of(core)->rescue;
    *sc = (struct sched_context){0};
    sched_context_init(sc);
    sc->core = core;
    sched_context_configure(core, sc, BUDGET_MINIMA * kernel.min_budget, PERIOD_MINIMA * kernel.min_budget, 1, 0);
    sc->notification = (struct notification *)sc; /* its mark; nobody has a capability to it */
}

bool sched_context_is_rescue(const struct sched_context *sc)
{
    return sc && sc->notification == (const struct notification *)sc;
}

static void rescue_pass_on(struct core *core)
{
    struct sched_context *sc = &core_block_of(core)->rescue;
    struct tcb *next = core->stranded.head;
    if (sc->tcb || !next)
        return;
    queue_remove(&core->stranded, next);
    next->awaits_rescue = false;
    sched_context_bind(core, sc, next);
}

void rescue_update(struct core *core, struct tcb *tcb)
{
    bool is_stranded = tcb->flags & TCB_FLAG_STRANDED && tcb->state == THREAD_RUNNING;
    bool waits = is_stranded && !tcb->sched_context && !tcb->borrower; /* else it gets its own back */
    if (waits && !tcb->awaits_rescue)
        queue_append(&core->stranded, tcb);
    else if (!waits && tcb->awaits_rescue)
        queue_remove(&core->stranded, tcb);
    tcb->awaits_rescue = waits;
    if (!is_stranded && sched_context_is_rescue(tcb->sched_context))
        sched_context_take(core, tcb);
    rescue_pass_on(core);
}

void rescue_rotate(struct core *core)
{
    struct tcb *holder = core_block_of(core)->rescue.tcb;
    if (holder && core->stranded.head)
        sched_context_take(core, holder); /* which puts it behind the others */
    else if (holder)
        thread_update(core, holder);
}

void thread_strand(struct core *core, struct tcb *tcb)
{
    tcb->flags |= TCB_FLAG_STRANDED;
    thread_update(core, tcb);
}

void thread_unstrand(struct core *core, struct tcb *tcb)
{
    tcb->flags &= (uint8_t)~TCB_FLAG_STRANDED;
    rescue_update(core, tcb);
}
