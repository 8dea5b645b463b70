/* Timers: a deadline each, in the core's ordered queue. */
#include <arch/timer.h>
#include <ipc/ipc.h>
#include <kernel/delete.h>

#define EXPIRIES_PER_CALL 4
#define EXPIRY_TICKS      (kernel.min_budget / 8) /* what one is charged with */

/* A context that has nothing to pay with would let timers expire at others' expense: so who arms one pays. */
void timer_prepay(struct core *core, const struct timer *timer)
{
    struct cap context = timer->slots[TIMER_SLOT_SCHED_CONTEXT].cap;
    if (cap_is_null(context) || !sched_context_can_pay(cap_object(context)))
        sched_context_charge_extra(core->charged, EXPIRY_TICKS, arch_timer_now());
}

void timer_arm(struct core *core, struct timer *timer, uint64_t deadline)
{
    timer_prepay(core, timer);
    timer_disarm(core, timer);
    heap_insert(&core->timers, &timer->node, deadline);
    core->deadline_dirty = true;
}

void timer_disarm(struct core *core, struct timer *timer)
{
    if (heap_contains(&timer->node))
        heap_remove(&core->timers, &timer->node);
}

static void timer_expire(struct core *core, struct timer *timer, uint64_t now)
{
    struct cap notification = timer->slots[TIMER_SLOT_NOTIFICATION].cap;
    struct cap context = timer->slots[TIMER_SLOT_SCHED_CONTEXT].cap;
    heap_remove(&core->timers, &timer->node);
    if (!cap_is_null(notification))
        notification_signal(core, cap_object(notification), cap_badge(notification));
    if (!cap_is_null(context))
        sched_context_charge_extra(cap_object(context), EXPIRY_TICKS, now);
}
_Static_assert(offsetof(struct timer, node) == 0, "timers_expire relies on it");

void timers_expire(struct core *core, uint64_t now)
{
    unsigned done = 0;
    while (done < EXPIRIES_PER_CALL && core->timers && core->timers->key <= now) {
        if (done++ > 0 && preemption_wanted(core)) /* the contexts' refills can make one long */
            break;
        timer_expire(core, (struct timer *)core->timers, now);
    }
    if (done > 0)
        core->charge_start = arch_timer_now(); /* the timers' owners have paid for this time, not who runs */
}

bool timer_destroy(struct core *core, struct cap cap)
{
    struct timer *timer = cap_object(cap);
    timer_disarm(core, timer);
    return slot_delete_simple(core, &timer->slots[TIMER_SLOT_NOTIFICATION]) &&
           slot_delete_simple(core, &timer->slots[TIMER_SLOT_SCHED_CONTEXT]);
}
