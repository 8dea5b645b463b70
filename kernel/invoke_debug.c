/* Invocations of TCBs for debuggers: hardware breakpoints and single-stepping. The fault: abi/fault.h, FAULT_DEBUG. */
#include <kernel/call.h>

static struct tcb *call_tcb(const struct call *call)
{
    return cap_object(call->slot->cap);
}

/* The breakpoint that argument 0 names. */
static enum error call_breakpoint(struct call *call, struct breakpoint **breakpoint)
{
    word number = call_argument(call, 0), count = arch_breakpoint_count();
    if (number >= count)
        return call_fail_range(call, 0, count - 1);
    *breakpoint = &call_tcb(call)->debug.breakpoints[number];
    return ERROR_NONE;
}

/* Naturally aligned, so that it lies below ARCH_USER_END as a whole: nothing of the kernel's can be watched. */
static enum error check_extent(struct call *call, word address, word alignment)
{
    if (address % alignment != 0)
        return ERROR_ALIGNMENT;
    return address < ARCH_USER_END ? ERROR_NONE : call_fail_range(call, 0, ARCH_USER_END - 1);
}

enum error tcb_set_breakpoint(struct call *call)
{
    word address = call_argument(call, 1), kind = call_argument(call, 2), bytes = call_argument(call, 3);
    struct breakpoint *breakpoint;
    enum error error = call_breakpoint(call, &breakpoint);
    if (error != ERROR_NONE)
        return error;
    if (kind >= BREAKPOINT_KIND_COUNT || !(arch_breakpoint_kinds((unsigned)call_argument(call, 0)) >> kind & 1))
        return call_fail(call, ERROR_INVALID_ARGUMENT, 2);
    bool is_execute = kind == BREAKPOINT_EXECUTE;
    if (is_execute ? bytes != 0 : bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8)
        return call_fail(call, ERROR_INVALID_ARGUMENT, 3);
    error = check_extent(call, address, is_execute ? ARCH_INSTRUCTION_ALIGNMENT : bytes);
    if (error != ERROR_NONE)
        return error;
    *breakpoint = (struct breakpoint){address, (uint8_t)kind, (uint8_t)(is_execute ? 1 : bytes)};
    thread_update_debug(call->core, call_tcb(call));
    return ERROR_NONE;
}

enum error tcb_get_breakpoint(struct call *call)
{
    struct breakpoint *breakpoint;
    unsigned number = (unsigned)call_argument(call, 0);
    enum error error = call_breakpoint(call, &breakpoint);
    if (error != ERROR_NONE)
        return error;
    call_result(call, breakpoint->address);
    call_result(call, breakpoint->kind);
    call_result(call, breakpoint->kind == BREAKPOINT_EXECUTE ? 0 : breakpoint->bytes);
    call_result(call, breakpoint->bytes != 0);
    call_result(call, arch_breakpoint_kinds(number));
    return ERROR_NONE;
}

enum error tcb_unset_breakpoint(struct call *call)
{
    struct breakpoint *breakpoint;
    enum error error = call_breakpoint(call, &breakpoint);
    if (error != ERROR_NONE)
        return error;
    *breakpoint = (struct breakpoint){0};
    thread_update_debug(call->core, call_tcb(call));
    return ERROR_NONE;
}

enum error tcb_configure_single_stepping(struct call *call)
{
    struct tcb *tcb = call_tcb(call);
    tcb->debug.step_count = tcb->debug.steps_left = call_argument(call, 0);
    arch_debug_step(&tcb->context, tcb->debug.step_count != 0);
    thread_update_debug(call->core, tcb);
    return ERROR_NONE;
}
