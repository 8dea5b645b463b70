/* Invocations of TCBs. */
#include <arch/mmu.h>
#include <ipc/ipc.h>
#include <kernel/call.h>
#include <kernel/delete.h>
#include <mm/vspace.h>

static struct tcb *call_tcb(const struct call *call)
{
    return cap_object(call->slot->cap);
}

/* --- the thread's own slots --- */

/* What is to stand in one of the thread's slots. `source` NULL: nothing. */
struct installation {
    enum tcb_slot place;
    struct slot *source;
};

/* Empties the thread's slots first (false: preempted), then derives the new capabilities. Deleting the old ones may
 * have deleted a source with them: then that slot stays empty. */
static bool slots_install(struct core *core, struct tcb *tcb, const struct installation *list, unsigned count)
{
    struct cap cap;
    for (unsigned i = 0; i < count; i++)
        if (!slot_delete(core, &tcb->slots[list[i].place]))
            return false;
    for (unsigned i = 0; i < count; i++) {
        struct slot *slot = &tcb->slots[list[i].place], *source = list[i].source;
        if (!source || slot_derive(source, &cap) != ERROR_NONE)
            continue;
        slot_insert_derived(source, slot, cap);
        slot->prev_and_flags |= SLOT_IN_TCB;
    }
    tcb_cspace_changed(tcb);
    if (!cap_is_null(tcb->slots[TCB_SLOT_VSPACE].cap))
        thread_set_space(core, tcb, &vspace_of(tcb->slots[TCB_SLOT_VSPACE].cap)->space);
    return true;
}

static enum error check_space(struct call *call, unsigned first, struct slot **cspace, struct slot **vspace)
{
    enum error error = call_capability(call, first, OBJECT_CNODE, cspace);
    return error == ERROR_NONE ? call_capability(call, first + 1, OBJECT_VSPACE, vspace) : error;
}

/* A fault endpoint is called, so it needs that right. */
static enum error check_handler(struct call *call, unsigned i, struct slot **endpoint)
{
    enum error error = call_capability_or_none(call, i, OBJECT_ENDPOINT, endpoint);
    if (error == ERROR_NONE && *endpoint && !(cap_rights((*endpoint)->cap) & RIGHT_CALL))
        return call_fail(call, ERROR_INVALID_CAPABILITY, i);
    return error;
}

static enum error check_buffer(struct call *call, unsigned first, struct slot **frame)
{
    word address = call_argument(call, first);
    *frame = NULL;
    if (address == 0 && call_argument(call, first + 1) == 0)
        return ERROR_NONE;
    enum error error = call_capability(call, first + 1, OBJECT_FRAME, frame);
    if (error != ERROR_NONE)
        return error;
    if (address % sizeof(struct ipc_buffer) != 0)
        return ERROR_ALIGNMENT;
    struct cap cap = (*frame)->cap;
    word needed = RIGHT_READ | RIGHT_WRITE;
    if (cap_frame_kind(cap) != BOOT_UNTYPED_MEMORY || (cap_frame_rights(cap) & needed) != needed)
        return call_fail(call, ERROR_INVALID_CAPABILITY, first + 1);
    return ERROR_NONE;
}

/* The buffer lies at its address modulo the frame's size: frames that hold one are mapped at a multiple of their size.
 */
static void buffer_set(struct tcb *tcb, vaddr address)
{
    struct cap cap = tcb->slots[TCB_SLOT_BUFFER].cap;
    if (cap_is_null(cap))
        return;
    word offset = address & ((1ul << cap_frame_size_bits(cap)) - 1);
    tcb->buffer = (struct ipc_buffer *)((char *)paddr_to_kernel(cap_frame_address(cap)) + offset);
}

enum error tcb_configure(struct call *call)
{
    struct slot *cspace, *vspace, *frame, *handler;
    enum error error = check_space(call, 0, &cspace, &vspace);
    if (error == ERROR_NONE)
        error = check_buffer(call, 2, &frame);
    if (error == ERROR_NONE)
        error = check_handler(call, 4, &handler);
    if (error != ERROR_NONE)
        return error;
    const struct installation list[] = {
        {TCB_SLOT_CSPACE, cspace}, {TCB_SLOT_VSPACE, vspace}, {TCB_SLOT_BUFFER, frame}, {TCB_SLOT_FAULT, handler}};
    word address = call_argument(call, 2);
    if (!slots_install(call->core, call_tcb(call), list, 4))
        return call_preempted(call);
    buffer_set(call_tcb(call), address);
    return ERROR_NONE;
}

enum error tcb_set_space(struct call *call)
{
    struct slot *cspace, *vspace, *handler;
    enum error error = check_space(call, 0, &cspace, &vspace);
    if (error == ERROR_NONE)
        error = check_handler(call, 2, &handler);
    if (error != ERROR_NONE)
        return error;
    const struct installation list[] = {
        {TCB_SLOT_CSPACE, cspace}, {TCB_SLOT_VSPACE, vspace}, {TCB_SLOT_FAULT, handler}};
    return slots_install(call->core, call_tcb(call), list, 3) ? ERROR_NONE : call_preempted(call);
}

enum error tcb_set_ipc_buffer(struct call *call)
{
    struct slot *frame;
    enum error error = check_buffer(call, 0, &frame);
    if (error != ERROR_NONE)
        return error;
    const struct installation list[] = {{TCB_SLOT_BUFFER, frame}};
    word address = call_argument(call, 0);
    if (!slots_install(call->core, call_tcb(call), list, 1))
        return call_preempted(call);
    buffer_set(call_tcb(call), address);
    return ERROR_NONE;
}

enum error tcb_set_timeout_endpoint(struct call *call)
{
    struct slot *handler;
    enum error error = check_handler(call, 0, &handler);
    if (error != ERROR_NONE)
        return error;
    const struct installation list[] = {{TCB_SLOT_TIMEOUT, handler}};
    return slots_install(call->core, call_tcb(call), list, 1) ? ERROR_NONE : call_preempted(call);
}

/* --- scheduling --- */

/* No priority beyond what the authority may give. */
static enum error check_priority(struct call *call, const struct slot *authority, unsigned i)
{
    const struct tcb *limit = cap_object(authority->cap);
    if (call_argument(call, i) > limit->maximum_priority)
        return call_fail_range(call, 0, limit->maximum_priority);
    return ERROR_NONE;
}

static void priority_set(struct call *call, struct tcb *tcb, word priority)
{
    if (tcb->state == THREAD_BLOCKED_SEND) /* it changes places: a walk along them begins anew */
        tcb->endpoint->cancel_next = NULL;
    thread_set_priority(call->core, tcb, (uint8_t)priority);
}

/* The context that the thread shall have: NULL (take its own away), its own again, or one that nobody has. */
static enum error check_context(struct call *call, const struct tcb *tcb, const struct slot *slot)
{
    const struct sched_context *sc = slot ? cap_object(slot->cap) : NULL;
    if (sc == tcb->sched_context && (sc == NULL || tcb->lender == NULL))
        return ERROR_NONE;
    if (tcb->lender || tcb->borrower)
        return ERROR_ILLEGAL_OPERATION;
    if (sc && (sc->tcb || sc->notification))
        return call_fail(call, ERROR_ILLEGAL_OPERATION, 3);
    return ERROR_NONE;
}

enum error tcb_set_sched_params(struct call *call)
{
    struct tcb *tcb = call_tcb(call);
    struct slot *authority, *context;
    enum error error = call_capability(call, 0, OBJECT_TCB, &authority);
    if (error == ERROR_NONE)
        error = check_priority(call, authority, 1);
    if (error == ERROR_NONE)
        error = check_priority(call, authority, 2);
    if (error == ERROR_NONE)
        error = call_capability_or_none(call, 3, OBJECT_SCHED_CONTEXT, &context);
    if (error == ERROR_NONE)
        error = check_context(call, tcb, context);
    if (error != ERROR_NONE)
        return error;
    struct sched_context *sc = context ? cap_object(context->cap) : NULL;
    tcb->maximum_priority = (uint8_t)call_argument(call, 1);
    priority_set(call, tcb, call_argument(call, 2));
    if (sc != tcb->sched_context) {
        if (tcb->sched_context)
            sched_context_unbind(call->core, tcb->sched_context);
        if (sc)
            sched_context_give(call->core, sc, tcb);
    }
    return ERROR_NONE;
}

enum error tcb_set_priority(struct call *call)
{
    struct slot *authority;
    enum error error = call_capability(call, 0, OBJECT_TCB, &authority);
    if (error == ERROR_NONE)
        error = check_priority(call, authority, 1);
    if (error == ERROR_NONE)
        priority_set(call, call_tcb(call), call_argument(call, 1));
    return error;
}

enum error tcb_set_flags(struct call *call)
{
    struct tcb *tcb = call_tcb(call);
    word clear = call_argument(call, 0), set = call_argument(call, 1);
    if ((clear | set) & ~(word)TCB_FLAG_FP)
        return call_fail(call, ERROR_INVALID_ARGUMENT, clear & ~(word)TCB_FLAG_FP ? 0 : 1);
    thread_set_flags(call->core, tcb, (uint8_t)((tcb->flags & ~clear) | set));
    call_result(call, tcb->flags & (TCB_FLAG_FP | TCB_FLAG_DEBUG));
    return ERROR_NONE;
}

enum error tcb_bind_notification(struct call *call)
{
    struct slot *slot;
    struct tcb *tcb = call_tcb(call);
    enum error error = call_capability(call, 0, OBJECT_NOTIFICATION, &slot);
    if (error != ERROR_NONE)
        return error;
    struct notification *notification = cap_object(slot->cap);
    if (!(cap_rights(slot->cap) & RIGHT_RECV))
        return call_fail(call, ERROR_INVALID_CAPABILITY, 0);
    if (tcb->bound || notification->bound || notification->queue.head)
        return ERROR_ILLEGAL_OPERATION;
    notification_bind(notification, tcb);
    return ERROR_NONE;
}

enum error tcb_unbind_notification(struct call *call)
{
    if (!call_tcb(call)->bound)
        return ERROR_ILLEGAL_OPERATION;
    notification_unbind(call_tcb(call));
    return ERROR_NONE;
}

enum error tcb_suspend(struct call *call)
{
    thread_suspend(call->core, call_tcb(call));
    return ERROR_NONE;
}

enum error tcb_resume(struct call *call)
{
    thread_resume(call->core, call_tcb(call));
    return ERROR_NONE;
}

/* --- registers --- */

enum error tcb_set_tls_base(struct call *call)
{
    struct tcb *tcb = call_tcb(call);
    bool is_live = tcb == call->core->current;
    struct arch_context unused;
    if (is_live)
        arch_context_switch(call->core, &tcb->context, &tcb->context); /* saves what is live */
    arch_context_set_tls(&tcb->context, call_argument(call, 0));
    if (is_live)
        arch_context_switch(call->core, &unused, &tcb->context); /* loads it again */
    return ERROR_NONE;
}

enum error tcb_read_registers(struct call *call)
{
    word registers[ARCH_USER_REGISTERS_MAX];
    struct tcb *tcb = call_tcb(call);
    if (tcb == call->caller)
        return ERROR_ILLEGAL_OPERATION;
    if (call_argument(call, 0) & 1)
        thread_suspend(call->core, tcb);
    unsigned count = arch_context_read(&tcb->context, registers);
    if (!call->caller->buffer && count > MESSAGE_REGISTERS)
        count = MESSAGE_REGISTERS;
    for (unsigned i = 0; i < count; i++) {
        if (i < MESSAGE_REGISTERS)
            call_result(call, registers[i]);
        else
            call->caller->buffer->words[i] = registers[i];
    }
    call->result_count = count;
    return ERROR_NONE;
}

enum error tcb_write_registers(struct call *call)
{
    word registers[ARCH_USER_REGISTERS_MAX];
    struct tcb *tcb = call_tcb(call);
    word count = call_length(call) < 1 ? 0 : call_length(call) - 1;
    if (tcb == call->caller)
        return ERROR_ILLEGAL_OPERATION;
    if (!call->caller->buffer && count > MESSAGE_REGISTERS - 1)
        count = MESSAGE_REGISTERS - 1;
    if (count > ARCH_USER_REGISTERS_MAX)
        count = ARCH_USER_REGISTERS_MAX;
    for (unsigned i = 0; i < count; i++)
        registers[i] = i + 1 < MESSAGE_REGISTERS ? call_argument(call, i + 1)
                                                 : *(volatile word *)&call->caller->buffer->words[i + 1];
    if (thread_is_blocked(tcb))
        thread_suspend(call->core, tcb);
    arch_context_write(&tcb->context, registers, (unsigned)count);
    if (tcb->debug.step_count != 0)
        arch_debug_step(&tcb->context, true);
    if (call_argument(call, 0) & 1)
        thread_resume(call->core, tcb);
    return ERROR_NONE;
}
