/* An invocation on its way: what handlers receive and how they answer.
 *
 * A handler checks everything, then acts. It returns an enum error. Results and error details are written straight into
 * the message words that the arguments came in: so first read, then answer. A handler that was preempted has answered
 * nothing and returns call_preempted(): the wrapper lets the thread repeat the system call.
 */
#ifndef KERNEL_CALL_H
#define KERNEL_CALL_H

#include <kernel/core.h>
#include <kernel/lookup.h>
#include <sched/thread.h>

struct call {
    struct core *core;
    struct tcb *caller;
    struct slot *slot; /* the invoked capability */
    word result_count;
};

#define CALL_PREEMPTED ((enum error)255) /* never leaves the kernel */

#define STEPS_PER_CALL 64 /* of range invocations */

static inline word call_argument(const struct call *call, unsigned i)
{
    kassert(call->result_count == 0);
    return arch_context_mr(&call->caller->context, i);
}

static inline word call_length(const struct call *call)
{
    return message_info_length(arch_context_info(&call->caller->context));
}

static inline void call_result(struct call *call, word value)
{
    arch_context_set_mr(&call->caller->context, (unsigned)call->result_count++, value);
}

/* An error with details; for use as `return call_fail(...)`. */
static inline enum error call_fail(struct call *call, enum error error, word detail)
{
    call->result_count = 0;
    call_result(call, detail);
    return error;
}

/* Success with one result; for use as `return call_done(...)`. */
static inline enum error call_done(struct call *call, word result)
{
    return call_fail(call, ERROR_NONE, result);
}

static inline enum error call_fail_range(struct call *call, word low, word high)
{
    call->result_count = 0;
    call_result(call, low);
    call_result(call, high);
    return ERROR_RANGE;
}

static inline enum error call_preempted(struct call *call)
{
    (void)call;
    return CALL_PREEMPTED;
}

/* The capability that argument i names, of the given type (OBJECT_NULL: any). NULL: there is none; i is the detail. */
struct slot *call_find(struct call *call, unsigned i, enum object_type type);
static inline enum error call_capability(struct call *call, unsigned i, enum object_type type, struct slot **slot)
{
    *slot = call_find(call, i, type);
    return *slot ? ERROR_NONE : ERROR_INVALID_CAPABILITY;
}
/* The same, but a cptr of 0 gives NULL. */
enum error call_capability_or_none(struct call *call, unsigned i, enum object_type type, struct slot **slot);
/* Slots of the invoked CNode from the index in argument i. */
enum error call_own_slots(struct call *call, unsigned i, word count, struct slot **first);
/* Slots named by a CNode's cptr in argument i and an index in argument i + 1. */
enum error call_slots(struct call *call, unsigned i, word count, struct slot **first);

typedef enum error (*call_handler)(struct call *call);

/* Runs the invocation that `caller` asked for on `slot` and answers it, if an answer is wanted. */
void invoke(struct core *core, struct tcb *caller, struct slot *slot, bool is_call);

/* The handlers: invoke_*.c */
enum error untyped_retype(struct call *call);
enum error untyped_describe(struct call *call);
enum error cnode_copy(struct call *call);
enum error cnode_mint(struct call *call);
enum error cnode_move(struct call *call);
enum error cnode_mutate(struct call *call);
enum error cnode_rotate(struct call *call);
enum error cnode_delete(struct call *call);
enum error cnode_revoke(struct call *call);
enum error cnode_cancel_badged_sends(struct call *call);
enum error tcb_configure(struct call *call);
enum error tcb_set_space(struct call *call);
enum error tcb_set_ipc_buffer(struct call *call);
enum error tcb_set_sched_params(struct call *call);
enum error tcb_set_priority(struct call *call);
enum error tcb_set_timeout_endpoint(struct call *call);
enum error tcb_set_flags(struct call *call);
enum error tcb_set_tls_base(struct call *call);
enum error tcb_bind_notification(struct call *call);
enum error tcb_unbind_notification(struct call *call);
enum error tcb_suspend(struct call *call);
enum error tcb_resume(struct call *call);
enum error tcb_read_registers(struct call *call);
enum error tcb_write_registers(struct call *call);
enum error tcb_set_breakpoint(struct call *call);
enum error tcb_get_breakpoint(struct call *call);
enum error tcb_unset_breakpoint(struct call *call);
enum error tcb_configure_single_stepping(struct call *call);
enum error sched_control_configure(struct call *call);
enum error sched_context_bind_invoke(struct call *call);
enum error sched_context_unbind_invoke(struct call *call);
enum error sched_context_consumed(struct call *call);
enum error sched_context_yield_to(struct call *call);
enum error timer_bind(struct call *call);
enum error timer_set(struct call *call);
enum error timer_cancel(struct call *call);
enum error page_table_map_invoke(struct call *call);
enum error page_table_unmap_invoke(struct call *call);
enum error frame_map_invoke(struct call *call);
enum error frame_unmap(struct call *call);
enum error frame_get_address(struct call *call);
enum error frame_clean(struct call *call);
enum error frame_sync_code(struct call *call);
enum error irq_control_get(struct call *call);
enum error irq_control_get_msi(struct call *call);
enum error irq_handler_ack(struct call *call);
enum error irq_handler_set_notification(struct call *call);
enum error irq_handler_clear(struct call *call);
enum error io_port_control_issue(struct call *call);
enum error io_port_in(struct call *call);
enum error io_port_out(struct call *call);
enum error power_off(struct call *call);
enum error power_reset(struct call *call);

#endif
