/* The object types. See object.h. */
#include <ipc/ipc.h>
#include <kernel/delete.h>
#include <kernel/object.h>
#include <mm/vspace.h>

struct slot *container_slots(struct cap cap, word *count)
{
    if (cap_type(cap) == OBJECT_TCB)
        return tcb_slots(cap, count);
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

const struct object_type_info object_types[OBJECT_TYPE_COUNT] = {
    [OBJECT_TCB] = {OBJECT_BITS_TCB, tcb_init, tcb_destroy},
    [OBJECT_ENDPOINT] = {OBJECT_BITS_ENDPOINT, NULL, endpoint_destroy},
    [OBJECT_NOTIFICATION] = {OBJECT_BITS_NOTIFICATION, NULL, notification_destroy},
    [OBJECT_REPLY] = {OBJECT_BITS_REPLY, NULL, reply_destroy},
    [OBJECT_SCHED_CONTEXT] = {OBJECT_BITS_SCHED_CONTEXT, sched_context_init, context_destroy},
    [OBJECT_TIMER] = {OBJECT_BITS_TIMER, NULL, timer_destroy},
    [OBJECT_VSPACE] = {OBJECT_BITS_VSPACE, vspace_init, vspace_destroy},
    [OBJECT_PAGE_TABLE] = {OBJECT_BITS_PAGE_TABLE, NULL, NULL},
    [OBJECT_IRQ_HANDLER] = {0, NULL, irq_handler_destroy},
};

const struct object_hooks object_hooks = {frame_release, page_table_release, tcb_slot_cleared};

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
