/* The object types. See object.h. */
#include <ipc/ipc.h>
#include <kernel/delete.h>
#include <kernel/object.h>
#include <mm/vspace.h>

static struct slot *cnode_slots(struct cap cap, word *count)
{
    *count = 1ul << cap_cnode_radix(cap);
    return cap_object(cap);
}

/* Here and not in sched/, which knows no notifications. */
static bool context_destroy(struct core *core, struct cap cap)
{
    notification_forget_context(cap_object(cap));
    return sched_context_destroy(core, cap);
}

static bool irq_handler_destroy(struct core *core, struct cap cap)
{
    unsigned irq = (unsigned)cap.word1;
    if (!slot_delete_simple(core, &kernel.irq_notification[irq]))
        return false;
    arch_irq_release(irq);
    kernel.irq_in_use[irq] = false;
    return true;
}

const struct object_type_info object_types[CAP_ZOMBIE + 1] = {
    [OBJECT_NULL] = {},
    [OBJECT_UNTYPED] = {},
    [OBJECT_CNODE] = {.slots = cnode_slots},
    [OBJECT_TCB] = {.size_bits = OBJECT_BITS_TCB,
                    .init = tcb_init,
                    .destroy = tcb_destroy,
                    .slots = tcb_slots,
                    .slot_cleared = tcb_slot_cleared},
    [OBJECT_ENDPOINT] = {.size_bits = OBJECT_BITS_ENDPOINT, .destroy = endpoint_destroy},
    [OBJECT_NOTIFICATION] = {.size_bits = OBJECT_BITS_NOTIFICATION, .destroy = notification_destroy},
    [OBJECT_REPLY] = {.size_bits = OBJECT_BITS_REPLY, .destroy = reply_destroy},
    [OBJECT_SCHED_CONTEXT] = {.size_bits = OBJECT_BITS_SCHED_CONTEXT,
                              .init = sched_context_init,
                              .destroy = context_destroy},
    [OBJECT_TIMER] = {.size_bits = OBJECT_BITS_TIMER, .destroy = timer_destroy},
    [OBJECT_VSPACE] = {.size_bits = OBJECT_BITS_VSPACE, .init = vspace_init, .destroy = vspace_destroy},
    [OBJECT_PAGE_TABLE] = {.size_bits = OBJECT_BITS_PAGE_TABLE, .release = page_table_release},
    [OBJECT_FRAME] = {.release = frame_release},
    [OBJECT_SCHED_CONTROL] = {},
    [OBJECT_IRQ_CONTROL] = {},
    [OBJECT_IRQ_HANDLER] = {.destroy = irq_handler_destroy},
    [OBJECT_IO_PORT_CONTROL] = {},
    [OBJECT_IO_PORT] = {},
    [OBJECT_POWER_CONTROL] = {},
    [CAP_ZOMBIE] = {},
};

static const struct size_limits size_limits[OBJECT_RETYPE_COUNT] = {
    [OBJECT_UNTYPED] = {4, 47},
    [OBJECT_CNODE] = {1, 20},
    [OBJECT_FRAME] = {PAGE_BITS, 30},
};

struct size_limits object_size_limits(word type)
{
    return size_limits[type];
}

enum error object_size(word type, word size_bits, unsigned *bits)
{
    if (type == OBJECT_NULL || type >= OBJECT_RETYPE_COUNT)
        return ERROR_INVALID_ARGUMENT;
    if (size_limits[type].most == 0) {
        *bits = object_types[type].size_bits;
        return ERROR_NONE;
    }
    if (size_bits < size_limits[type].least || size_bits > size_limits[type].most)
        return ERROR_RANGE;
    *bits = (unsigned)size_bits + (type == OBJECT_CNODE ? OBJECT_BITS_CNODE_SLOT : 0);
    return ERROR_NONE;
}

struct cap object_create(enum object_type type, word size_bits, paddr address, word untyped_kind)
{
    if (type == OBJECT_UNTYPED)
        return cap_make_untyped(address, (unsigned)size_bits, untyped_kind);
    if (type == OBJECT_FRAME) {
        word rights = RIGHT_ALL;
        if (untyped_kind == BOOT_UNTYPED_DEVICE)
            rights = RIGHT_READ | RIGHT_WRITE;
        else if (untyped_kind == BOOT_UNTYPED_ARCHIVE)
            rights = RIGHT_READ | RIGHT_EXEC;
        return cap_make_frame(address, (unsigned)size_bits, rights, untyped_kind);
    }
    void *object = paddr_to_kernel(address);
    if (object_types[type].init)
        object_types[type].init(object);
    if (type == OBJECT_CNODE)
        return cap_make_cnode(object, (unsigned)size_bits, 0, 0);
    bool has_rights = type == OBJECT_ENDPOINT || type == OBJECT_NOTIFICATION || type == OBJECT_REPLY;
    return cap_make(type, object, has_rights ? RIGHT_ALL : 0, 0);
}
