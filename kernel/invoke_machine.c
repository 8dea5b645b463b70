/* Invocations of interrupts, ports and power. */
#include <arch/machine.h>
#include <kernel/call.h>
#include <kernel/delete.h>

static enum error empty_slot(struct call *call, unsigned i, struct slot **slot)
{
    enum error error = call_slots(call, i, 1, slot);
    if (error == ERROR_NONE && !slot_is_empty(*slot))
        return ERROR_DELETE_FIRST;
    return error;
}

static void handler_create(struct call *call, struct slot *slot, unsigned irq)
{
    kernel.irq_in_use[irq] = true;
    slot_insert(call->slot, slot, cap_make_plain(OBJECT_IRQ_HANDLER, irq), SLOT_ORIGINAL);
}

enum error irq_control_get(struct call *call)
{
    struct slot *slot;
    unsigned irq;
    word number = call_argument(call, 0), flags = call_argument(call, 1);
    enum error error = empty_slot(call, 2, &slot);
    if (error != ERROR_NONE)
        return error;
    if (flags & ~(word)(IRQ_LEVEL | IRQ_LOW))
        return call_fail(call, ERROR_INVALID_ARGUMENT, 1);
    if (number <= arch_irq_limit() && kernel.irq_in_use[number])
        return ERROR_DELETE_FIRST; /* before anything about the line changes */
    error = arch_irq_configure(number, flags, &irq);
    if (error == ERROR_RANGE)
        return call_fail_range(call, 0, arch_irq_limit());
    if (error != ERROR_NONE)
        return error;
    handler_create(call, slot, irq);
    return ERROR_NONE;
}

enum error irq_control_get_msi(struct call *call)
{
    struct slot *slot;
    unsigned irq;
    word address, data;
    enum error error = empty_slot(call, 0, &slot);
    if (error == ERROR_NONE)
        error = arch_irq_allocate_msi(&irq, &address, &data);
    if (error != ERROR_NONE)
        return error;
    handler_create(call, slot, irq);
    call_result(call, address);
    call_result(call, data);
    return ERROR_NONE;
}

static unsigned call_irq(const struct call *call)
{
    return (unsigned)call->slot->cap.word1;
}

enum error irq_handler_ack(struct call *call)
{
    arch_irq_unmask(call_irq(call));
    return ERROR_NONE;
}

/* The line is open from here on. */
enum error irq_handler_set_notification(struct call *call)
{
    struct slot *notification, *place = &kernel.irq_notification[call_irq(call)];
    struct cap cap;
    enum error error = call_capability(call, 0, OBJECT_NOTIFICATION, &notification);
    if (error != ERROR_NONE)
        return error;
    if (!(cap_rights(notification->cap) & RIGHT_SEND))
        return call_fail(call, ERROR_INVALID_CAPABILITY, 0);
    if (!slot_delete_simple(call->core, place))
        return call_preempted(call);
    error = slot_derive(notification, &cap);
    if (error != ERROR_NONE)
        return error;
    slot_insert_derived(notification, place, cap);
    arch_irq_unmask(call_irq(call));
    return ERROR_NONE;
}

enum error irq_handler_clear(struct call *call)
{
    arch_irq_mask(call_irq(call));
    if (!slot_delete_simple(call->core, &kernel.irq_notification[call_irq(call)]))
        return call_preempted(call);
    return ERROR_NONE;
}

enum error io_port_control_issue(struct call *call)
{
    struct slot *slot;
    word first = call_argument(call, 0), last = call_argument(call, 1);
    if (first > last || last > UINT16_MAX)
        return call_fail_range(call, 0, UINT16_MAX);
    enum error error = empty_slot(call, 2, &slot);
    if (error != ERROR_NONE)
        return error;
    slot_insert(call->slot, slot, cap_make_plain(OBJECT_IO_PORT, first | last << 16), SLOT_ORIGINAL);
    return ERROR_NONE;
}

static enum error check_port(struct call *call)
{
    word range = call->slot->cap.word1, first = range & UINT16_MAX, last = range >> 16;
    word port = call_argument(call, 0), bytes = call_argument(call, 1);
    if (bytes != 1 && bytes != 2 && bytes != 4)
        return call_fail(call, ERROR_INVALID_ARGUMENT, 1);
    if (port < first || port > last || last - port + 1 < bytes)
        return call_fail_range(call, first, last);
    return ERROR_NONE;
}

enum error io_port_in(struct call *call)
{
    uint32_t value;
    enum error error = check_port(call);
    if (error == ERROR_NONE)
        error = arch_port_in((uint16_t)call_argument(call, 0), (unsigned)call_argument(call, 1), &value);
    if (error != ERROR_NONE)
        return error;
    call_result(call, value);
    return ERROR_NONE;
}

enum error io_port_out(struct call *call)
{
    enum error error = check_port(call);
    if (error != ERROR_NONE)
        return error;
    return arch_port_out((uint16_t)call_argument(call, 0), (unsigned)call_argument(call, 1),
                         (uint32_t)call_argument(call, 2));
}

enum error power_off(struct call *call)
{
    if (call_argument(call, 0) > 100)
        return call_fail_range(call, 0, 100);
    arch_power_off((unsigned)call_argument(call, 0));
}

enum error power_reset(struct call *call)
{
    (void)call;
    arch_power_reset();
}
