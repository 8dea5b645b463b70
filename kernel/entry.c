/* The ways into the kernel: system calls, interrupts, faults. Each ends in schedule(). */
#include <arch/machine.h>
#include <arch/timer.h>
#include <ipc/ipc.h>
#include <kernel/call.h>
#include <kernel/delete.h>
#include <kernel/fault.h>

/* --- what destination registers name --- */

static cptr destination(const struct tcb *tcb)
{
    return (cptr)arch_context_destination(&tcb->context);
}

static cptr reply_destination(const struct tcb *tcb)
{
    return (cptr)(arch_context_destination(&tcb->context) >> 32);
}

/* --- sending --- */

struct send_mode {
    bool is_blocking, is_call;
};

/* The system call is repeated after the fault, if it is. */
static void capability_fault(struct core *core, struct tcb *tcb, cptr address, bool is_receive, enum error error)
{
    arch_context_restart(&tcb->context);
    fault_raise(core, tcb, FAULT_CAPABILITY, address, is_receive, error);
}

/* No such capability, or not the right: the non-blocking sends do nothing then. */
static void send_refuse(struct core *core, struct tcb *tcb, struct send_mode mode, enum error error)
{
    if (mode.is_blocking)
        capability_fault(core, tcb, destination(tcb), false, error);
    else
        message_complete(tcb, ERROR_NONE, 0);
}

static void send_to_endpoint(struct core *core, struct tcb *tcb, struct cap cap, struct send_mode mode)
{
    word rights = cap_rights(cap);
    if (!(rights & (mode.is_call ? RIGHT_CALL : RIGHT_SEND))) {
        send_refuse(core, tcb, mode, ERROR_ILLEGAL_OPERATION);
        return;
    }
    struct send_options options = {.badge = cap_badge(cap),
                                   .is_blocking = mode.is_blocking,
                                   .is_call = mode.is_call,
                                   .can_grant = rights & RIGHT_GRANT};
    endpoint_send(core, cap_object(cap), tcb, options);
}

/* To what the look-up of the destination has given. */
static void send_to(struct core *core, struct send_mode mode, enum error error, struct slot *slot)
{
    struct tcb *tcb = core->current;
    if (error != ERROR_NONE) {
        send_refuse(core, tcb, mode, error);
        return;
    }
    struct cap cap = slot->cap;
    switch (cap_type(cap)) {
    case OBJECT_ENDPOINT:
        send_to_endpoint(core, tcb, cap, mode);
        break;
    case OBJECT_NOTIFICATION:
        if (!(cap_rights(cap) & RIGHT_SEND)) {
            send_refuse(core, tcb, mode, ERROR_ILLEGAL_OPERATION);
            break;
        }
        message_complete(tcb, ERROR_NONE, 0);
        notification_signal(core, cap_object(cap), cap_badge(cap));
        break;
    case OBJECT_REPLY:
        reply_send(core, cap_object(cap), tcb, cap_rights(cap) & RIGHT_GRANT);
        message_complete(tcb, ERROR_NONE, 0);
        break;
    default:
        invoke(core, tcb, slot, mode.is_call);
        break;
    }
}

static void system_send(struct core *core, struct send_mode mode)
{
    struct tcb *tcb = core->current;
    struct slot *slot = NULL;
    enum error error = lookup_cap(tcb_cspace(tcb), destination(tcb), &slot);
    send_to(core, mode, error, slot);
}

/* --- receiving --- */

/* The reply object that the caller brings; it is freed from what it was used for. */
static enum error reply_take(struct core *core, struct tcb *tcb, struct reply **reply)
{
    struct slot *slot;
    if (lookup_cap(tcb_cspace(tcb), reply_destination(tcb), &slot) != ERROR_NONE || cap_type(slot->cap) != OBJECT_REPLY)
        return ERROR_INVALID_CAPABILITY;
    *reply = cap_object(slot->cap);
    if ((*reply)->caller) {
        thread_cancel(core, (*reply)->caller, CANCEL_ABORT);
    } else if ((*reply)->server) {
        (*reply)->server->reply = NULL;
        (*reply)->server = NULL;
    }
    return ERROR_NONE;
}

static void system_receive(struct core *core, bool is_blocking, bool with_reply)
{
    struct tcb *tcb = core->current;
    struct reply *reply = NULL;
    struct slot *slot;
    enum error error = lookup_cap(tcb_cspace(tcb), destination(tcb), &slot);
    if (error != ERROR_NONE) {
        capability_fault(core, tcb, destination(tcb), true, error);
        return;
    }
    struct cap cap = slot->cap;
    bool is_endpoint = cap_type(cap) == OBJECT_ENDPOINT;
    if (!is_endpoint && cap_type(cap) != OBJECT_NOTIFICATION) {
        capability_fault(core, tcb, destination(tcb), true, ERROR_INVALID_CAPABILITY);
        return;
    }
    if (!(cap_rights(cap) & RIGHT_RECV)) {
        capability_fault(core, tcb, destination(tcb), true, ERROR_ILLEGAL_OPERATION);
        return;
    }
    if (!is_endpoint) {
        notification_receive(core, cap_object(cap), tcb, is_blocking);
        return;
    }
    if (with_reply) {
        error = reply_take(core, tcb, &reply);
        if (error != ERROR_NONE) {
            capability_fault(core, tcb, reply_destination(tcb), true, error);
            return;
        }
    }
    endpoint_receive(core, cap_object(cap), tcb, reply, is_blocking);
}

static void system_reply_receive(struct core *core)
{
    struct tcb *tcb = core->current;
    struct cap cspace = tcb_cspace(tcb);
    struct slot *slot, *from;
    if (lookup_cap(cspace, reply_destination(tcb), &slot) == ERROR_NONE && cap_type(slot->cap) == OBJECT_REPLY) {
        struct reply *reply = cap_object_of(slot->cap, OBJECT_REPLY);
        bool can_grant = cap_rights(slot->cap) & RIGHT_GRANT;
        if (lookup_cap(cspace, destination(tcb), &from) == ERROR_NONE && cap_type(from->cap) == OBJECT_ENDPOINT &&
            cap_rights(from->cap) & RIGHT_RECV &&
            reply_receive_at_once(core, reply, cap_object_of(from->cap, OBJECT_ENDPOINT), can_grant))
            return;
        reply_send(core, reply, tcb, can_grant);
    }
    system_receive(core, true, true);
}

/* --- the table of system calls --- */

static void sys_call(struct core *core)
{
    struct tcb *tcb = core->current;
    struct slot *slot = NULL;
    enum error error = lookup_cap(tcb_cspace(tcb), destination(tcb), &slot);
    if (error == ERROR_NONE && cap_type(slot->cap) == OBJECT_ENDPOINT && cap_rights(slot->cap) & RIGHT_CALL &&
        endpoint_call_at_once(core, cap_object_of(slot->cap, OBJECT_ENDPOINT), cap_badge(slot->cap),
                              cap_rights(slot->cap) & RIGHT_GRANT))
        return;
    send_to(core, (struct send_mode){.is_blocking = true, .is_call = true}, error, slot);
}
static void sys_send(struct core *core)
{
    system_send(core, (struct send_mode){.is_blocking = true, .is_call = false});
}
static void sys_nbsend(struct core *core)
{
    system_send(core, (struct send_mode){.is_blocking = false, .is_call = false});
}
static void sys_recv(struct core *core)
{
    system_receive(core, true, true);
}
static void sys_nbrecv(struct core *core)
{
    system_receive(core, false, true);
}
static void sys_wait(struct core *core)
{
    system_receive(core, true, false);
}
static void sys_nbwait(struct core *core)
{
    system_receive(core, false, false);
}
static void sys_yield(struct core *core)
{
    message_complete(core->current, ERROR_NONE, 0);
    thread_yield(core);
}

#ifdef TESSERA_KERNEL_DEBUG
static void sys_debug_putc(struct core *core)
{
    arch_console_put((char)arch_context_mr(&core->current->context, 0));
    message_complete(core->current, ERROR_NONE, 0);
}

/* The thread whose capability stands in the destination register, or else the calling one. */
static void sys_debug_dump(struct core *core)
{
    static const char *const states[] = {
        "inactive", "running", "blocked sending", "blocked receiving", "blocked for reply", "blocked waiting", "idle"};
    struct slot *slot;
    const struct tcb *tcb = core->current;
    if (lookup_cap(tcb_cspace(tcb), destination(tcb), &slot) == ERROR_NONE && cap_type(slot->cap) == OBJECT_TCB)
        tcb = cap_object(slot->cap);
    print("thread %lx: %s%s, pc %lx sp %lx priority %u maximum %u flags %x fault %u\n", (word)(uintptr_t)tcb,
          states[tcb->state], tcb->is_queued ? " (ready)" : "", arch_context_pc(&tcb->context),
          arch_context_sp(&tcb->context), tcb->priority, tcb->maximum_priority, tcb->flags, tcb->fault);
    print("  context %lx lender %lx borrower %lx reply %lx serving %lx queue or object %lx bound %lx\n",
          (word)(uintptr_t)tcb->sched_context, (word)(uintptr_t)tcb->lender, (word)(uintptr_t)tcb->borrower,
          (word)(uintptr_t)tcb->reply, (word)(uintptr_t)tcb->serving, (word)(uintptr_t)tcb->endpoint,
          (word)(uintptr_t)tcb->bound);
    message_complete(core->current, ERROR_NONE, 0);
}
#endif

typedef void (*system_call)(struct core *core);
static const system_call system_calls[] = {
    [SYSCALL_CALL] = sys_call,
    [SYSCALL_REPLY_RECV] = system_reply_receive,
    [SYSCALL_SEND] = sys_send,
    [SYSCALL_NBSEND] = sys_nbsend,
    [SYSCALL_RECV] = sys_recv,
    [SYSCALL_NBRECV] = sys_nbrecv,
    [SYSCALL_WAIT] = sys_wait,
    [SYSCALL_NBWAIT] = sys_nbwait,
    [SYSCALL_YIELD] = sys_yield,
#ifdef TESSERA_KERNEL_DEBUG
    [SYSCALL_DEBUG_PUTC] = sys_debug_putc,
    [SYSCALL_DEBUG_DUMP] = sys_debug_dump,
#endif
};
#define SYSTEM_CALL_COUNT (sizeof(system_calls) / sizeof(system_calls[0]))

void kernel_invoke(struct core *core, struct slot *slot)
{
    invoke(core, core->current, slot, true);
    schedule(core);
}

void kernel_syscall(struct core *core, word number)
{
    if (number < SYSTEM_CALL_COUNT && system_calls[number])
        system_calls[number](core);
    else
        fault_raise(core, core->current, FAULT_UNKNOWN_SYSCALL, number, 0, 0);
    schedule(core);
}

/* --- interrupts and faults --- */

/* With nothing else to do, the idle thread's time finishes what deletions left in the middle. */
static void interrupt_end(struct core *core)
{
    schedule(core);
    if (core->current == core->idle) {
        dying_finish(core);
        schedule(core);
    }
}

void kernel_interrupt(struct core *core, unsigned irq)
{
    if (irq < ARCH_IRQ_COUNT) {
        struct cap cap = kernel.irq_notification[irq].cap;
        if (cap_type(cap) == OBJECT_NOTIFICATION)
            notification_signal(core, cap_object(cap), cap_badge(cap));
    }
    interrupt_end(core);
}

/* The running context has used its budget up. */
static void budget_ended(struct core *core)
{
    struct tcb *tcb = core->current;
    struct sched_context *sc = core->charged;
    if (sched_context_is_round_robin(sc)) {
        thread_yield(core);
        return;
    }
    core->reschedule = true;
    if (tcb->state == THREAD_RUNNING && tcb->sched_context == sc && !slot_is_empty(&tcb->slots[TCB_SLOT_TIMEOUT]))
        fault_raise(core, tcb, FAULT_TIMEOUT, sc->badge, sc->consumed, 0);
}

void kernel_timer(struct core *core)
{
    uint64_t now = arch_timer_now();
    core->deadline = ARCH_TIMER_NEVER;
    core->deadline_dirty = true;
    if (sched_charge(core, now))
        budget_ended(core);
    sched_release(core, now);
    timers_expire(core, now);
    interrupt_end(core);
}

/* Single-stepping by more than one instruction does not disturb the handler in between. */
void kernel_debug(struct core *core, enum debug_reason reason, word address, word number)
{
    struct tcb *tcb = core->current;
    struct debug_state *debug = &tcb->debug;
    if (debug->step_count != 0) {
        arch_debug_step(&tcb->context, true);
        if (reason == DEBUG_STEP && --debug->steps_left > 0)
            return;
        debug->steps_left = debug->step_count;
    }
    kernel_fault(core, FAULT_DEBUG, reason, address, number);
}

void kernel_fault(struct core *core, enum fault kind, word w2, word w3, word w4)
{
    fault_raise(core, core->current, kind, w2, w3, w4);
    schedule(core);
}
