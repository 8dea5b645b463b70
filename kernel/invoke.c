/* Invocations: the table, and what all handlers share. */
#include <ipc/ipc.h>
#include <kernel/call.h>

/* Each invocation: on which object, and its handler. */
#define INVOCATIONS(ROW)                                                                                               \
    ROW(UNTYPED_RETYPE, OBJECT_UNTYPED, untyped_retype)                                                                \
    ROW(UNTYPED_DESCRIBE, OBJECT_UNTYPED, untyped_describe)                                                            \
    ROW(CNODE_COPY, OBJECT_CNODE, cnode_copy)                                                                          \
    ROW(CNODE_MINT, OBJECT_CNODE, cnode_mint)                                                                          \
    ROW(CNODE_MOVE, OBJECT_CNODE, cnode_move)                                                                          \
    ROW(CNODE_MUTATE, OBJECT_CNODE, cnode_mutate)                                                                      \
    ROW(CNODE_ROTATE, OBJECT_CNODE, cnode_rotate)                                                                      \
    ROW(CNODE_DELETE, OBJECT_CNODE, cnode_delete)                                                                      \
    ROW(CNODE_REVOKE, OBJECT_CNODE, cnode_revoke)                                                                      \
    ROW(CNODE_CANCEL_BADGED_SENDS, OBJECT_CNODE, cnode_cancel_badged_sends)                                            \
    ROW(TCB_CONFIGURE, OBJECT_TCB, tcb_configure)                                                                      \
    ROW(TCB_SET_SPACE, OBJECT_TCB, tcb_set_space)                                                                      \
    ROW(TCB_SET_IPC_BUFFER, OBJECT_TCB, tcb_set_ipc_buffer)                                                            \
    ROW(TCB_SET_SCHED_PARAMS, OBJECT_TCB, tcb_set_sched_params)                                                        \
    ROW(TCB_SET_PRIORITY, OBJECT_TCB, tcb_set_priority)                                                                \
    ROW(TCB_SET_TIMEOUT_ENDPOINT, OBJECT_TCB, tcb_set_timeout_endpoint)                                                \
    ROW(TCB_SET_FLAGS, OBJECT_TCB, tcb_set_flags)                                                                      \
    ROW(TCB_SET_TLS_BASE, OBJECT_TCB, tcb_set_tls_base)                                                                \
    ROW(TCB_BIND_NOTIFICATION, OBJECT_TCB, tcb_bind_notification)                                                      \
    ROW(TCB_UNBIND_NOTIFICATION, OBJECT_TCB, tcb_unbind_notification)                                                  \
    ROW(TCB_SUSPEND, OBJECT_TCB, tcb_suspend)                                                                          \
    ROW(TCB_RESUME, OBJECT_TCB, tcb_resume)                                                                            \
    ROW(TCB_READ_REGISTERS, OBJECT_TCB, tcb_read_registers)                                                            \
    ROW(TCB_WRITE_REGISTERS, OBJECT_TCB, tcb_write_registers)                                                          \
    ROW(TCB_SET_BREAKPOINT, OBJECT_TCB, tcb_set_breakpoint)                                                            \
    ROW(TCB_GET_BREAKPOINT, OBJECT_TCB, tcb_get_breakpoint)                                                            \
    ROW(TCB_UNSET_BREAKPOINT, OBJECT_TCB, tcb_unset_breakpoint)                                                        \
    ROW(TCB_CONFIGURE_SINGLE_STEPPING, OBJECT_TCB, tcb_configure_single_stepping)                                      \
    ROW(SCHED_CONTROL_CONFIGURE, OBJECT_SCHED_CONTROL, sched_control_configure)                                        \
    ROW(SCHED_CONTEXT_BIND, OBJECT_SCHED_CONTEXT, sched_context_bind_invoke)                                           \
    ROW(SCHED_CONTEXT_UNBIND, OBJECT_SCHED_CONTEXT, sched_context_unbind_invoke)                                       \
    ROW(SCHED_CONTEXT_CONSUMED, OBJECT_SCHED_CONTEXT, sched_context_consumed)                                          \
    ROW(SCHED_CONTEXT_YIELD_TO, OBJECT_SCHED_CONTEXT, sched_context_yield_to)                                          \
    ROW(TIMER_BIND, OBJECT_TIMER, timer_bind)                                                                          \
    ROW(TIMER_SET, OBJECT_TIMER, timer_set)                                                                            \
    ROW(TIMER_CANCEL, OBJECT_TIMER, timer_cancel)                                                                      \
    ROW(PAGE_TABLE_MAP, OBJECT_PAGE_TABLE, page_table_map_invoke)                                                      \
    ROW(PAGE_TABLE_UNMAP, OBJECT_PAGE_TABLE, page_table_unmap_invoke)                                                  \
    ROW(FRAME_MAP, OBJECT_FRAME, frame_map_invoke)                                                                     \
    ROW(FRAME_UNMAP, OBJECT_FRAME, frame_unmap)                                                                        \
    ROW(FRAME_GET_ADDRESS, OBJECT_FRAME, frame_get_address)                                                            \
    ROW(FRAME_CLEAN, OBJECT_FRAME, frame_clean)                                                                        \
    ROW(FRAME_SYNC_CODE, OBJECT_FRAME, frame_sync_code)                                                                \
    ROW(IRQ_CONTROL_GET, OBJECT_IRQ_CONTROL, irq_control_get)                                                          \
    ROW(IRQ_CONTROL_GET_MSI, OBJECT_IRQ_CONTROL, irq_control_get_msi)                                                  \
    ROW(IRQ_HANDLER_ACK, OBJECT_IRQ_HANDLER, irq_handler_ack)                                                          \
    ROW(IRQ_HANDLER_SET_NOTIFICATION, OBJECT_IRQ_HANDLER, irq_handler_set_notification)                                \
    ROW(IRQ_HANDLER_CLEAR, OBJECT_IRQ_HANDLER, irq_handler_clear)                                                      \
    ROW(IO_PORT_CONTROL_ISSUE, OBJECT_IO_PORT_CONTROL, io_port_control_issue)                                          \
    ROW(IO_PORT_IN, OBJECT_IO_PORT, io_port_in)                                                                        \
    ROW(IO_PORT_OUT, OBJECT_IO_PORT, io_port_out)                                                                      \
    ROW(POWER_OFF, OBJECT_POWER_CONTROL, power_off)                                                                    \
    ROW(POWER_RESET, OBJECT_POWER_CONTROL, power_reset)

#define HANDLER(label, type, handler) [label] = (handler),
#define TYPE(label, type, handler)    [label] = (type),
static const call_handler handlers[INVOCATION_COUNT] = {INVOCATIONS(HANDLER)};
static const uint8_t types[INVOCATION_COUNT] = {INVOCATIONS(TYPE)};

/* call_find for a CSpace of any shape, for any type, and for what is not there. */
static SELDOM struct slot *find_slowly(struct call *call, unsigned i, enum object_type type)
{
    word address = call_argument(call, i);
    struct slot *slot;
    if (address <= UINT32_MAX && lookup_cap(tcb_cspace(call->caller), (cptr)address, &slot) == ERROR_NONE &&
        (type == OBJECT_NULL || cap_type(slot->cap) == type))
        return slot;
    (void)call_fail(call, ERROR_INVALID_CAPABILITY, i);
    return NULL;
}

struct slot *call_find(struct call *call, unsigned i, enum object_type type)
{
    word address = call_argument(call, i);
    const struct tcb *caller = call->caller;
    if (address < caller->cspace_count) {
        struct slot *slot = &caller->cspace_slots[address];
        if (type != OBJECT_NULL && cap_type(slot->cap) == type)
            return slot;
    }
    return find_slowly(call, i, type);
}

enum error call_capability_or_none(struct call *call, unsigned i, enum object_type type, struct slot **slot)
{
    *slot = NULL;
    return call_argument(call, i) == 0 ? ERROR_NONE : call_capability(call, i, type, slot);
}

static SELDOM enum error range_fail(struct call *call, struct cap cnode)
{
    return call_fail_range(call, 1, (1ul << cap_cnode_radix(cnode)) - 1);
}

enum error call_own_slots(struct call *call, unsigned i, word count, struct slot **first)
{
    struct cap cnode = call->slot->cap;
    if (cnode_range(cnode, call_argument(call, i), count, first) != ERROR_NONE)
        return range_fail(call, cnode);
    return ERROR_NONE;
}

enum error call_slots(struct call *call, unsigned i, word count, struct slot **first)
{
    const struct slot *cnode = call_find(call, i, OBJECT_CNODE);
    if (!cnode)
        return ERROR_INVALID_CAPABILITY;
    if (cnode_range(cnode->cap, call_argument(call, i + 1), count, first) != ERROR_NONE)
        return range_fail(call, cnode->cap);
    return ERROR_NONE;
}

/* False: it was preempted, and the caller will make the system call again. */
static inline bool handle(struct core *core, struct tcb *caller, struct slot *slot)
{
    word label = message_info_label(arch_context_info(&caller->context));
    struct call call = {core, caller, slot, 0};
    enum error error = ERROR_ILLEGAL_OPERATION;
    if (label < INVOCATION_COUNT && types[label] == cap_type(slot->cap)) /* no slot is of type NULL */
        error = handlers[label](&call);
    if (error == CALL_PREEMPTED) {
        arch_context_restart(&caller->context);
        return false;
    }
    arch_context_set_info(&caller->context, message_info(error, 0, call.result_count));
    arch_context_set_badge(&caller->context, 0);
    arch_context_set_status(&caller->context, ERROR_NONE);
    return true;
}

/* By Send: the words stay what they were. */
static SELDOM void handle_silently(struct core *core, struct tcb *caller, struct slot *slot)
{
    struct arch_context kept = caller->context;
    if (!handle(core, caller, slot))
        return;
    arch_context_copy_message(&caller->context, &kept);
    arch_context_set_info(&caller->context, 0);
}

void invoke(struct core *core, struct tcb *caller, struct slot *slot, bool is_call)
{
    if (is_call)
        (void)handle(core, caller, slot);
    else
        handle_silently(core, caller, slot);
}
