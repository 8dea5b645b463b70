/* Invocations of scheduling contexts, their control, and timers. */
#include <arch/timer.h>
#include <ipc/ipc.h>
#include <kernel/call.h>
#include <kernel/clock.h>
#include <kernel/delete.h>

enum error sched_control_configure(struct call *call)
{
    struct slot *slot;
    word budget_ns = call_argument(call, 1), period_ns = call_argument(call, 2), refills = call_argument(call, 3);
    enum error error = call_capability(call, 0, OBJECT_SCHED_CONTEXT, &slot);
    if (error != ERROR_NONE)
        return error;
    uint64_t budget = clock_ticks(budget_ns), period = clock_ticks(period_ns);
    if (period_ns >= CLOCK_FOREVER)
        return call_fail_range(call, budget_ns, CLOCK_FOREVER - 1);
    if (budget < kernel.min_budget || budget > period)
        return call_fail_range(call, clock_ns(kernel.min_budget) + 1, period_ns);
    if (refills > SCHED_EXTRA_REFILLS_MAX)
        return call_fail_range(call, 0, SCHED_EXTRA_REFILLS_MAX);
    if (call_argument(call, 5) != 0)
        return call_fail(call, ERROR_INVALID_ARGUMENT, 5);
    sched_context_configure(call->core, cap_object(slot->cap), budget, period, (unsigned)refills + 2,
                            call_argument(call, 4));
    return ERROR_NONE;
}

enum error sched_context_bind_invoke(struct call *call)
{
    struct sched_context *sc = cap_object(call->slot->cap);
    struct slot *slot;
    enum error error = call_capability(call, 0, OBJECT_NULL, &slot);
    if (error != ERROR_NONE)
        return error;
    if (sc->tcb || sc->notification)
        return ERROR_ILLEGAL_OPERATION;
    if (cap_type(slot->cap) == OBJECT_TCB) {
        struct tcb *tcb = cap_object(slot->cap);
        bool is_helpless = !tcb->sched_context || sched_context_is_rescue(tcb->sched_context);
        if (!is_helpless || tcb->borrower || (tcb->lender && !(tcb->flags & TCB_FLAG_STRANDED)))
            return ERROR_ILLEGAL_OPERATION;
        sched_context_give(call->core, sc, tcb);
        return ERROR_NONE;
    }
    if (cap_type(slot->cap) == OBJECT_NOTIFICATION) {
        struct notification *notification = cap_object(slot->cap);
        if (notification->sched_context)
            return ERROR_ILLEGAL_OPERATION;
        notification->sched_context = sc;
        sc->notification = notification;
        return ERROR_NONE;
    }
    return call_fail(call, ERROR_INVALID_CAPABILITY, 0);
}

enum error sched_context_unbind_invoke(struct call *call)
{
    struct sched_context *sc = cap_object(call->slot->cap);
    sched_context_unbind(call->core, sc);
    notification_forget_context(sc);
    return ERROR_NONE;
}

static void consumed_result(struct call *call, struct sched_context *sc)
{
    if (call->core->charged == sc)
        sched_charge_now(call->core);
    call_result(call, clock_ns(sc->consumed));
    sc->consumed = 0;
}

enum error sched_context_consumed(struct call *call)
{
    consumed_result(call, cap_object(call->slot->cap));
    return ERROR_NONE;
}

/* The thread that has the context runs next, if it can and its priority is not below the caller's; the caller follows.
 */
enum error sched_context_yield_to(struct call *call)
{
    struct sched_context *sc = cap_object(call->slot->cap);
    if (!sc->tcb || sc->tcb == call->caller)
        return ERROR_ILLEGAL_OPERATION;
    if (sc->tcb->priority > call->caller->maximum_priority)
        return ERROR_ILLEGAL_OPERATION;
    consumed_result(call, sc);
    thread_yield_to(call->core, sc->tcb);
    return ERROR_NONE;
}

enum error timer_bind(struct call *call)
{
    struct timer *timer = cap_object(call->slot->cap);
    struct slot *notification, *context;
    struct cap cap;
    enum error error = call_capability_or_none(call, 0, OBJECT_NOTIFICATION, &notification);
    if (error == ERROR_NONE && notification && !(cap_rights(notification->cap) & RIGHT_SEND))
        error = call_fail(call, ERROR_INVALID_CAPABILITY, 0);
    if (error == ERROR_NONE)
        error = notification ? call_capability(call, 1, OBJECT_SCHED_CONTEXT, &context)
                             : call_capability_or_none(call, 1, OBJECT_SCHED_CONTEXT, &context);
    if (error != ERROR_NONE)
        return error;
    for (unsigned i = 0; i < TIMER_SLOT_COUNT; i++)
        if (!slot_delete_simple(call->core, &timer->slots[i]))
            return call_preempted(call);
    if (!notification)
        timer_disarm(call->core, timer);
    if (notification && slot_derive(notification, &cap) == ERROR_NONE)
        slot_insert_derived(notification, &timer->slots[TIMER_SLOT_NOTIFICATION], cap);
    if (context && slot_derive(context, &cap) == ERROR_NONE)
        slot_insert_derived(context, &timer->slots[TIMER_SLOT_SCHED_CONTEXT], cap);
    if (heap_contains(&timer->node))
        timer_prepay(call->core, timer);
    return ERROR_NONE;
}

enum error timer_set(struct call *call)
{
    struct timer *timer = cap_object(call->slot->cap);
    if (slot_is_empty(&timer->slots[TIMER_SLOT_NOTIFICATION]))
        return ERROR_ILLEGAL_OPERATION;
    timer_arm(call->core, timer, call_argument(call, 0));
    return ERROR_NONE;
}

enum error timer_cancel(struct call *call)
{
    timer_disarm(call->core, cap_object(call->slot->cap));
    return ERROR_NONE;
}
