/* Invocations: the table, and what all handlers share. */
#include <ipc/ipc.h>
#include <kernel/call.h>

const struct invocation_row invocation_table[INVOCATION_COUNT] = {
    [UNTYPED_RETYPE] = {OBJECT_UNTYPED, untyped_retype},
    [UNTYPED_DESCRIBE] = {OBJECT_UNTYPED, untyped_describe},
    [CNODE_COPY] = {OBJECT_CNODE, cnode_copy},
    [CNODE_MINT] = {OBJECT_CNODE, cnode_mint},
    [CNODE_MOVE] = {OBJECT_CNODE, cnode_move},
    [CNODE_MUTATE] = {OBJECT_CNODE, cnode_mutate},
    [CNODE_ROTATE] = {OBJECT_CNODE, cnode_rotate},
    [CNODE_DELETE] = {OBJECT_CNODE, cnode_delete},
    [CNODE_REVOKE] = {OBJECT_CNODE, cnode_revoke},
    [CNODE_CANCEL_BADGED_SENDS] = {OBJECT_CNODE, cnode_cancel_badged_sends},
    [TCB_CONFIGURE] = {OBJECT_TCB, tcb_configure},
    [TCB_SET_SPACE] = {OBJECT_TCB, tcb_set_space},
    [TCB_SET_IPC_BUFFER] = {OBJECT_TCB, tcb_set_ipc_buffer},
    [TCB_SET_SCHED_PARAMS] = {OBJECT_TCB, tcb_set_sched_params},
    [TCB_SET_PRIORITY] = {OBJECT_TCB, tcb_set_priority},
    [TCB_SET_TIMEOUT_ENDPOINT] = {OBJECT_TCB, tcb_set_timeout_endpoint},
    [TCB_SET_FLAGS] = {OBJECT_TCB, tcb_set_flags},
    [TCB_SET_TLS_BASE] = {OBJECT_TCB, tcb_set_tls_base},
    [TCB_BIND_NOTIFICATION] = {OBJECT_TCB, tcb_bind_notification},
    [TCB_UNBIND_NOTIFICATION] = {OBJECT_TCB, tcb_unbind_notification},
    [TCB_SUSPEND] = {OBJECT_TCB, tcb_suspend},
    [TCB_RESUME] = {OBJECT_TCB, tcb_resume},
    [TCB_READ_REGISTERS] = {OBJECT_TCB, tcb_read_registers},
    [TCB_WRITE_REGISTERS] = {OBJECT_TCB, tcb_write_registers},
    [TCB_SET_BREAKPOINT] = {OBJECT_TCB, tcb_set_breakpoint},
    [TCB_GET_BREAKPOINT] = {OBJECT_TCB, tcb_get_breakpoint},
    [TCB_UNSET_BREAKPOINT] = {OBJECT_TCB, tcb_unset_breakpoint},
    [TCB_CONFIGURE_SINGLE_STEPPING] = {OBJECT_TCB, tcb_configure_single_stepping},
    [SCHED_CONTROL_CONFIGURE] = {OBJECT_SCHED_CONTROL, sched_control_configure},
    [SCHED_CONTEXT_BIND] = {OBJECT_SCHED_CONTEXT, sched_context_bind_invoke},
    [SCHED_CONTEXT_UNBIND] = {OBJECT_SCHED_CONTEXT, sched_context_unbind_invoke},
    [SCHED_CONTEXT_CONSUMED] = {OBJECT_SCHED_CONTEXT, sched_context_consumed},
    [SCHED_CONTEXT_YIELD_TO] = {OBJECT_SCHED_CONTEXT, sched_context_yield_to},
    [TIMER_BIND] = {OBJECT_TIMER, timer_bind},
    [TIMER_SET] = {OBJECT_TIMER, timer_set},
    [TIMER_CANCEL] = {OBJECT_TIMER, timer_cancel},
    [PAGE_TABLE_MAP] = {OBJECT_PAGE_TABLE, page_table_map_invoke},
    [PAGE_TABLE_UNMAP] = {OBJECT_PAGE_TABLE, page_table_unmap_invoke},
    [FRAME_MAP] = {OBJECT_FRAME, frame_map_invoke},
    [FRAME_UNMAP] = {OBJECT_FRAME, frame_unmap},
    [FRAME_GET_ADDRESS] = {OBJECT_FRAME, frame_get_address},
    [FRAME_CLEAN] = {OBJECT_FRAME, frame_clean},
    [FRAME_SYNC_CODE] = {OBJECT_FRAME, frame_sync_code},
    [IRQ_CONTROL_GET] = {OBJECT_IRQ_CONTROL, irq_control_get},
    [IRQ_CONTROL_GET_MSI] = {OBJECT_IRQ_CONTROL, irq_control_get_msi},
    [IRQ_HANDLER_ACK] = {OBJECT_IRQ_HANDLER, irq_handler_ack},
    [IRQ_HANDLER_SET_NOTIFICATION] = {OBJECT_IRQ_HANDLER, irq_handler_set_notification},
    [IRQ_HANDLER_CLEAR] = {OBJECT_IRQ_HANDLER, irq_handler_clear},
    [IO_PORT_CONTROL_ISSUE] = {OBJECT_IO_PORT_CONTROL, io_port_control_issue},
    [IO_PORT_IN] = {OBJECT_IO_PORT, io_port_in},
    [IO_PORT_OUT] = {OBJECT_IO_PORT, io_port_out},
    [POWER_OFF] = {OBJECT_POWER_CONTROL, power_off},
    [POWER_RESET] = {OBJECT_POWER_CONTROL, power_reset},
};

/* call_find for a CSpace of any shape, for any type, and for what is not there. */
static __attribute__((noinline)) struct slot *find_slowly(struct call *call, unsigned i, enum object_type type)
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

static __attribute__((noinline)) enum error range_fail(struct call *call, struct cap cnode)
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
    if (label < INVOCATION_COUNT && invocation_table[label].type == cap_type(slot->cap)) /* no slot is of type NULL */
        error = invocation_table[label].handler(&call);
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
static __attribute__((noinline)) void handle_silently(struct core *core, struct tcb *caller, struct slot *slot)
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
