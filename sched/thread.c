/* Ready queues, thread states and the switch from one thread to another. See thread.h. */
#include <arch/mmu.h>
#include <arch/timer.h>
#include <sched/core_block.h>

void tcb_init(void *object)
{
    struct tcb *tcb = object;
    arch_context_init(&tcb->context);
    tcb->space = arch_space_empty();
    tcb->core = &kernel_cores[0].core;
}

struct slot *tcb_slots(struct cap cap, word *count)
{
    *count = TCB_SLOT_COUNT;
    return ((struct tcb *)cap_object(cap))->slots;
}

static void space_load(struct core *core, struct arch_space *space)
{
    if (core->space != space) {
        core->space = space;
        arch_space_switch(core, space);
    }
}

void thread_set_space(struct core *core, struct tcb *tcb, struct arch_space *space)
{
    tcb->space = space;
    if (core->current == tcb)
        space_load(core, space);
}

void tcb_cspace_changed(struct tcb *tcb)
{
    struct cap cap = tcb_cspace(tcb);
    tcb->cspace_count = 0;
    if (cap_type(cap) != OBJECT_CNODE || cap_cnode_radix(cap) + cap_cnode_guard_bits(cap) != 32 || cap.word1 != 0)
        return;
    tcb->cspace_slots = cap_object(cap);
    tcb->cspace_count = 1ul << cap_cnode_radix(cap);
}

void tcb_slot_cleared(struct core *core, struct slot *slot)
{
    struct tcb *tcb = (struct tcb *)((uintptr_t)slot & ~((1ul << OBJECT_BITS_TCB) - 1));
    switch ((enum tcb_slot)(slot - tcb->slots)) {
    case TCB_SLOT_CSPACE:
        tcb->cspace_count = 0;
        break;
    case TCB_SLOT_VSPACE:
        thread_set_space(core, tcb, arch_space_empty());
        break;
    case TCB_SLOT_BUFFER:
        tcb->buffer = NULL;
        break;
    default:
        break;
    }
}

/* --- queues --- */

static void queue_prepend(struct thread_queue *queue, struct tcb *tcb)
{
    tcb->queue_next = queue->head;
    if (queue->head)
        queue->head->queue_prev = tcb;
    else
        queue->tail = tcb;
    queue->head = tcb;
}

void queue_remove(struct thread_queue *queue, struct tcb *tcb)
{
    if (queue->head == tcb)
        queue->head = tcb->queue_next;
    else
        tcb->queue_prev->queue_next = tcb->queue_next;
    if (tcb->queue_next)
        tcb->queue_next->queue_prev = tcb->queue_prev;
    else
        queue->tail = tcb->queue_prev;
}

static void ready_mark(struct core *core, struct tcb *tcb)
{
    core->ready_bits[tcb->priority / 64] |= 1ul << tcb->priority % 64;
    core->ready_summary |= 1ul << tcb->priority / 64;
    tcb->is_queued = true;
    if (tcb->priority > core->current->priority || core->current->state != THREAD_RUNNING)
        core->reschedule = true;
    else if (tcb->priority == core->current->priority)
        core->deadline_dirty = true; /* the running time slice now has an end */
}

static void ready_remove(struct core *core, struct tcb *tcb)
{
    unsigned group = tcb->priority / 64;
    queue_remove(&core->ready[tcb->priority], tcb);
    tcb->is_queued = false;
    if (core->ready[tcb->priority].head)
        return;
    core->ready_bits[group] &= ~(1ul << tcb->priority % 64);
    if (core->ready_bits[group] == 0)
        core->ready_summary &= ~(1ul << group);
}

/* The first thread of the highest priority that has one, or NULL. */
static struct tcb *ready_first(const struct core *core)
{
    if (core->ready_summary == 0)
        return NULL;
    unsigned group = 63 - (unsigned)__builtin_clzl(core->ready_summary);
    unsigned bit = 63 - (unsigned)__builtin_clzl(core->ready_bits[group]);
    return core->ready[group * 64 + bit].head;
}

/* --- states --- */

/* RUNNING with a usable sched context; one without budget goes to the release heap. */
static bool thread_can_run(struct core *core, struct tcb *tcb)
{
    struct sched_context *sc = tcb->sched_context;
    if (tcb->state != THREAD_RUNNING || !sc || sc->budget == 0)
        return false;
    if (heap_contains(&sc->release))
        return false;
    if (sched_context_is_ready(sc))
        return true;
    heap_insert(&core->releases, &sc->release, sc->refills[sc->refill_head].time);
    core->deadline_dirty = true;
    return false;
}

void thread_update(struct core *core, struct tcb *tcb)
{
    if (tcb == core->current) {
        core->reschedule = true;
    } else if (thread_can_run(core, tcb)) {
        if (!tcb->is_queued) {
            queue_append(&core->ready[tcb->priority], tcb);
            ready_mark(core, tcb);
        }
    } else if (tcb->is_queued) {
        ready_remove(core, tcb);
    }
    if (tcb->flags & TCB_FLAG_STRANDED)
        rescue_update(core, tcb);
}

void thread_make_ready(struct core *core, struct tcb *tcb)
{
    tcb->state = THREAD_RUNNING;
    thread_update(core, tcb);
}

void thread_make_ready_first(struct core *core, struct tcb *tcb)
{
    struct thread_queue *queue = &core->ready[tcb->priority];
    thread_make_ready(core, tcb);
    if (tcb->is_queued && queue->head != tcb) {
        queue_remove(queue, tcb);
        queue_prepend(queue, tcb);
    }
}

void thread_stop(struct core *core, struct tcb *tcb, enum thread_state state)
{
    if (tcb->is_queued)
        ready_remove(core, tcb);
    if (tcb->sched_context && heap_contains(&tcb->sched_context->release))
        heap_remove(&core->releases, &tcb->sched_context->release);
    tcb->state = (uint8_t)state;
    if (tcb->flags & TCB_FLAG_STRANDED)
        rescue_update(core, tcb);
    if (tcb == core->current)
        core->reschedule = true;
}

/* The queue in which the thread waits by priority, or NULL: endpoints and notifications begin with it (ipc/ipc.h). */
static struct thread_queue *thread_wait_queue(const struct tcb *tcb)
{
    bool is_waiting = tcb->state == THREAD_BLOCKED_SEND || tcb->state == THREAD_BLOCKED_WAIT;
    return is_waiting ? (struct thread_queue *)tcb->endpoint : NULL;
}

void thread_set_priority(struct core *core, struct tcb *tcb, uint8_t priority)
{
    bool was_queued = tcb->is_queued;
    struct thread_queue *queue = thread_wait_queue(tcb);
    if (was_queued)
        ready_remove(core, tcb);
    if (queue)
        wait_remove(queue, tcb);
    tcb->priority = priority;
    if (queue)
        wait_insert(queue, tcb);
    if (was_queued || tcb == core->current)
        thread_update(core, tcb);
    core->deadline_dirty = true; /* the running time slice may have an end among other equals */
}

void thread_yield(struct core *core)
{
    struct tcb *tcb = core->current;
    if (tcb->state != THREAD_RUNNING || !core->ready[tcb->priority].head)
        return;
    if (thread_can_run(core, tcb)) {
        queue_append(&core->ready[tcb->priority], tcb);
        tcb->is_queued = true;
        ready_mark(core, tcb);
    }
    core->reschedule = true;
}

void thread_requeue(struct core *core, struct tcb *tcb)
{
    struct thread_queue *queue = &core->ready[tcb->priority];
    if (tcb->is_queued) {
        queue_remove(queue, tcb);
        queue_append(queue, tcb);
    }
}

void thread_yield_to(struct core *core, struct tcb *tcb)
{
    struct tcb *current = core->current;
    if (!tcb->is_queued || tcb->priority < current->priority || !thread_can_run(core, current))
        return;
    ready_remove(core, tcb);
    queue_prepend(&core->ready[current->priority], current);
    ready_mark(core, current);
    queue_prepend(&core->ready[tcb->priority], tcb);
    ready_mark(core, tcb);
    core->reschedule = true;
}

static void fp_load(struct core *core, const struct tcb *tcb)
{
    bool wanted = tcb->flags & TCB_FLAG_FP;
    if (wanted != core->fp_enabled) {
        arch_fpu_enable(wanted);
        core->fp_enabled = wanted;
    }
    if (wanted)
        arch_fpu_restore(&tcb->fpu);
}

void thread_set_flags(struct core *core, struct tcb *tcb, uint8_t flags)
{
    if (tcb == core->current && core->fp_enabled)
        arch_fpu_save(&tcb->fpu);
    tcb->flags = flags;
    if (tcb == core->current)
        fp_load(core, tcb);
}

static void debug_load(struct core *core, struct tcb *tcb)
{
    arch_debug_load(core, tcb->flags & TCB_FLAG_DEBUG ? &tcb->debug : NULL, &tcb->context);
}

void thread_update_debug(struct core *core, struct tcb *tcb)
{
    bool is_used = tcb->debug.step_count != 0;
    for (unsigned i = 0; i < ARCH_BREAKPOINTS_MAX; i++)
        is_used = is_used || tcb->debug.breakpoints[i].bytes != 0;
    tcb->flags = (uint8_t)((tcb->flags & ~TCB_FLAG_DEBUG) | (is_used ? TCB_FLAG_DEBUG : 0));
    if (tcb == core->current)
        debug_load(core, tcb);
}

/* A context that is overdrawn goes from borrower to borrower, but its owner has to wait. */
static void overdraft_pass(struct core *core, struct tcb *from, struct tcb *to)
{
    if (to->sched_context != core->charged)
        return;
    from->flags &= (uint8_t)~TCB_FLAG_OVERDRAWN;
    thread_update(core, to); /* which sets the flag again, if it is a borrower */
}

/* FP state and breakpoints, between two threads of which one has a flag. */
static void switch_flagged(struct core *core, struct tcb *from, struct tcb *to)
{
    if ((from->flags | to->flags) & TCB_FLAG_FP) {
        if (from->flags & TCB_FLAG_FP)
            arch_fpu_save(&from->fpu);
        fp_load(core, to);
    }
    if ((from->flags | to->flags) & TCB_FLAG_DEBUG)
        debug_load(core, to);
    if (from->flags & TCB_FLAG_OVERDRAWN)
        overdraft_pass(core, from, to);
    if ((from->flags | to->flags) & TCB_FLAG_STRANDED) {
        if (sched_context_is_rescue(to->sched_context)) /* lent by the fast path */
            to->flags |= TCB_FLAG_STRANDED;
        rescue_update(core, from);
    }
}

/* The idle thread works in interrupts: if there are deletions to finish (kernel/delete.c), the first comes at once. */
static struct tcb *idle_choose(struct core *core)
{
    if (kernel.dying.next) {
        core->deadline = 0;
        arch_timer_set(core, 0);
    }
    return core->idle;
}

/* The running thread if it is still the best, else the best of the ready ones, taken out of its queue. An interrupt may
 * come first, when many have to be put aside: the choice goes on after it. */
static struct tcb *thread_choose(struct core *core, bool *is_interrupted)
{
    struct tcb *current = core->current, *best;
    bool current_can_run = !current->is_queued && thread_can_run(core, current);
    while ((best = ready_first(core)) != NULL) {
        if (current_can_run && current->priority >= best->priority)
            break;
        ready_remove(core, best);
        if (!thread_can_run(core, best)) { /* its context was charged after it was queued */
            if (core->deadline_dirty)
                sched_set_deadline(core); /* after a timer interrupt it is not set: nothing would come in between */
            *is_interrupted = preemption_wanted(core);
            if (*is_interrupted)
                break;
            continue;
        }
        if (current_can_run) {
            queue_prepend(&core->ready[current->priority], current);
            ready_mark(core, current);
        }
        return best;
    }
    return current_can_run ? current : idle_choose(core);
}

/* The time goes over to `to`. The commonest case first: from one time slice that goes on later to another, and the
 * timer need not be set. */
static inline void time_switch(struct core *core, const struct tcb *to)
{
    struct sched_context *last = core->charged, *next = to->sched_context;
    if (last && next && sched_context_is_round_robin(last) && sched_context_is_round_robin(next) && !core->is_charged) {
        uint64_t now = arch_timer_now(), used = now - core->charge_start, slice = last->refills[0].amount;
        if (used + kernel.min_budget <= slice) { /* so it is configured, too */
            last->refills[0].amount = slice - used;
            last->consumed += used;
            core->charge_start = now;
            core->charged = next;
            if (core->ready[to->priority].head && now + next->refills[0].amount < core->deadline)
                core->deadline_dirty = true;
            return;
        }
    }
    sched_switch_context(core, to->sched_context);
}

/* Once in the kernel, with all that it needs in it. */
static __attribute__((noinline)) void switch_to(struct core *core, struct tcb *to)
{
    struct tcb *from = core->current;
    if (to != from) {
        if (to->space)
            space_load(core, to->space);
        arch_context_switch(core, &from->context, &to->context);
        core->current = to;
        if (from->flags | to->flags)
            switch_flagged(core, from, to);
    }
    if (to->sched_context != core->charged)
        time_switch(core, to);
}

void schedule_now(struct core *core)
{
    bool is_interrupted = false;
    while (core->reschedule && !is_interrupted) {
        struct tcb *next = thread_choose(core, &is_interrupted);
        core->reschedule = is_interrupted;
        if (next->priority != core->current->priority && core->ready[next->priority].head)
            core->deadline_dirty = true; /* a lent time slice may have an end among these equals */
        switch_to(core, next);
    }
    core->is_charged = false;
    if (core->deadline_dirty)
        sched_set_deadline(core);
}

void fastpath_switch(struct core *core, struct tcb *to)
{
    switch_to(core, to);
    schedule(core); /* the rescue context may have gone to somebody more urgent; the deadline */
}

bool thread_is_next(const struct core *core, const struct tcb *tcb, bool is_first)
{
    if (core->ready_summary == 0)
        return true;
    const struct tcb *best = ready_first(core);
    return tcb->priority > best->priority || (is_first && tcb->priority == best->priority);
}

void thread_give_way(struct core *core, struct tcb *to)
{
    core->reschedule = false;
    fastpath_switch(core, to);
}
