/* Deletion without recursion.
 *
 * The end of a container (CNode, TCB) takes long: each of its slots may hold the last capability of another container.
 * So when the last capability to a container goes, it moves, as a *zombie*, into the container's own slot 0, which
 * nobody else uses, and the container joins the list of the dying:
 *
 *     kernel.dying -> [zombie | ...slots of X...] -> [zombie | ...slots of Y...] -> NULL
 *
 *     zombie: object = its own slot; word 1 = next zombie | slots left << 48, the low 5 bits of that number in bits
 * 0..4
 *
 * The zombie keeps its place in the derivation tree, so the untyped below is not free before the container is.
 * Emptying a dying container's slot can only add to the front of the list. Thus every step is bounded, every state
 * between steps is consistent, and any later deletion (or the idle loop) completes one that was left in the middle.
 */
#include <kernel/delete.h>
#include <kernel/object.h>

#define ZOMBIE_COUNT_LOW 31ul

static word zombie_count(const struct slot *zombie)
{
    return zombie->cap.word1 >> 48 << 5 | (zombie->cap.word1 & ZOMBIE_COUNT_LOW);
}

static struct slot *zombie_next(const struct slot *zombie)
{
    word low = zombie->cap.word1 & CAP_OBJECT_MASK;
    return low == 0 ? NULL : (struct slot *)(uintptr_t)(low | ARCH_KERNEL_HIGH);
}

static void zombie_set(struct slot *zombie, struct slot *next, word count)
{
    zombie->cap.word1 = ((word)(uintptr_t)next & CAP_OBJECT_MASK) | count >> 5 << 48 | (count & ZOMBIE_COUNT_LOW);
}

/* The last capability of a container, in `slot`, becomes a zombie. */
static SELDOM void container_kill(struct slot *slot)
{
    word count;
    struct slot *host = container_slots(slot->cap, &count);
    kassert(slot_is_empty(host));
    slot_move(slot, host, cap_make(CAP_ZOMBIE, host, 0, 0));
    zombie_set(host, kernel.dying, count);
    kernel.dying = host; /* cppcheck-suppress danglingLifetime ; the count is not part of the slots */
}

static void slot_clear(struct core *core, struct slot *slot)
{
    word flags = slot_flags(slot);
    slot_remove(slot);
    if (flags & SLOT_IN_TCB)
        object_hooks.tcb_slot_cleared(core, slot);
}

/* The last capability to an object goes, and the object with it. */
static bool object_end(struct core *core, struct slot *slot, enum object_type type)
{
    word flags = slot_flags(slot);
    if (object_types[type].destroy && !object_types[type].destroy(core, slot->cap))
        return false;
    if (!TYPE_IS_ONE_OF(type, TYPES_CONTAINERS)) {
        slot_clear(core, slot);
        return true;
    }
    container_kill(slot);
    if (flags & SLOT_IN_TCB)
        object_hooks.tcb_slot_cleared(core, slot);
    return true;
}

/* Empties one slot; containers end up on the list of the dying. */
static bool slot_empty(struct core *core, struct slot *slot)
{
    enum object_type type = cap_type(slot->cap);
    if (type == OBJECT_NULL)
        return true;
    if (type == OBJECT_FRAME && !object_hooks.frame_release(core, slot))
        return false;
    if (type == OBJECT_PAGE_TABLE && !object_hooks.page_table_release(core, slot))
        return false;
    if (TYPE_IS_ONE_OF(type, TYPES_DESTROYED) && slot_is_final(slot))
        return object_end(core, slot, type);
    slot_clear(core, slot);
    return true;
}

/* At least one step, so that it comes to an end however many interrupts there are. */
SELDOM bool dying_drain_all(struct core *core)
{
    do {
        struct slot *zombie = kernel.dying;
        word count = zombie_count(zombie);
        if (count > 1) {
            if (!slot_empty(core, zombie + count - 1))
                return false;
            zombie_set(zombie, zombie_next(zombie), count - 1);
        } else {
            kernel.dying = zombie_next(zombie);
            slot_remove(zombie);
        }
        if (preemption_wanted(core))
            return false;
    } while (kernel.dying);
    return true;
}

bool slot_delete(struct core *core, struct slot *slot)
{
    if (!slot_is_empty(slot) && cap_type(slot->cap) != CAP_ZOMBIE) {
        if (!slot_empty(core, slot))
            return false;
        if (kernel.dying && preemption_wanted(core)) /* that may have taken as long as a step of what is dying */
            return false;
    }
    return dying_drain(core);
}

bool slot_delete_simple(struct core *core, struct slot *slot)
{
    kassert(!TYPE_IS_ONE_OF(cap_type(slot->cap), TYPES_CONTAINERS));
    return slot_empty(core, slot);
}

SELDOM bool slot_revoke(struct core *core, struct slot *slot)
{
    /* The slot itself can go on the way: its capability may lie in a container that is a child. */
    while (!slot_is_empty(slot) && slot_has_child(slot)) {
        if (!slot_delete(core, slot->next))
            return false;
        if (preemption_wanted(core))
            return slot_is_empty(slot) || !slot_has_child(slot);
    }
    return true;
}
