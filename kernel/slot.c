/* The derivation tree: see slot.h for the picture. */
#include <kernel/slot.h>
#include <kernel/object.h>

void slot_link(struct slot *prev, struct slot *slot, struct slot *next, word flags)
{
    slot->prev_and_flags = (word)(uintptr_t)prev | flags;
    slot->next = next;
    if (prev)
        prev->next = slot;
    if (next)
        next->prev_and_flags = (word)(uintptr_t)slot | slot_flags(next);
}

SELDOM void slot_set_root(struct slot *slot, struct cap cap)
{
    slot->cap = cap;
    slot_link(NULL, slot, NULL, SLOT_ORIGINAL);
}

void slot_insert(struct slot *parent, struct slot *slot, struct cap cap, word flags)
{
    slot->cap = cap;
    slot_link(parent, slot, parent->next, flags);
}

static bool cap_is_badgeable(struct cap cap)
{
    return cap_type(cap) == OBJECT_ENDPOINT || cap_type(cap) == OBJECT_NOTIFICATION;
}

void slot_insert_derived(struct slot *source, struct slot *slot, struct cap cap)
{
    word flags = 0;
    if (cap_is_badgeable(cap) && cap_badge(cap) != cap_badge(source->cap))
        flags = SLOT_ORIGINAL | SLOT_FIRST_BADGE;
    if (cap_type(cap) == OBJECT_UNTYPED) {
        /* Only one of the two may give out memory: the source counts as used up until the copy is gone. */
        flags = SLOT_ORIGINAL;
        source->cap.word1 = UINT64_MAX;
    }
    slot_insert(source, slot, cap, flags);
}

SELDOM void slot_move(struct slot *source, struct slot *slot, struct cap cap)
{
    slot->cap = cap;
    slot_link(slot_prev(source), slot, source->next, slot_flags(source) & ~(word)SLOT_IN_TCB);
    *source = (struct slot){0};
}

SELDOM void slot_swap(struct slot *a, struct cap a_cap, struct slot *b, struct cap b_cap)
{
    /* By way of a third slot, so that neighbours need no case of their own. */
    struct slot third;
    slot_move(a, &third, a_cap);
    slot_move(b, a, b_cap);
    slot_move(&third, b, a_cap);
}

static bool untyped_contains(struct cap untyped, const struct slot *slot)
{
    paddr start;
    if (cap_type(slot->cap) == CAP_ZOMBIE)
        start = kernel_to_paddr(slot);
    else if (!object_address(slot->cap, &start))
        return false;
    return start - cap_untyped_address(untyped) < 1ul << cap_untyped_size_bits(untyped);
}

bool slot_is_parent(const struct slot *parent, const struct slot *child)
{
    struct cap p = parent->cap, c = child->cap;
    if (!(slot_flags(parent) & SLOT_ORIGINAL))
        return false;
    switch (cap_type(p)) {
    case OBJECT_UNTYPED:
        return untyped_contains(p, child);
    case OBJECT_IRQ_CONTROL:
        return cap_type(c) == OBJECT_IRQ_CONTROL || cap_type(c) == OBJECT_IRQ_HANDLER;
    case OBJECT_IO_PORT_CONTROL:
        return cap_type(c) == OBJECT_IO_PORT_CONTROL || cap_type(c) == OBJECT_IO_PORT;
    case OBJECT_ENDPOINT:
    case OBJECT_NOTIFICATION:
        if (!cap_is_same_object(p, c))
            return false;
        return cap_badge(p) == 0 || (cap_badge(p) == cap_badge(c) && !(slot_flags(child) & SLOT_FIRST_BADGE));
    default:
        return object_is_same(p, c);
    }
}

enum error slot_derive(const struct slot *slot, struct cap *cap)
{
    *cap = slot->cap;
    switch (cap_type(slot->cap)) {
    case OBJECT_NULL:
    case CAP_ZOMBIE:
        return ERROR_FAILED_LOOKUP;
    case OBJECT_UNTYPED:
        return slot_has_child(slot) ? ERROR_REVOKE_FIRST : ERROR_NONE;
    case OBJECT_FRAME:
        *cap = cap_frame_set_unmapped(*cap);
        return ERROR_NONE;
    case OBJECT_PAGE_TABLE:
        *cap = cap_set_detail(*cap, cap_table_kept(cap_detail(*cap)));
        cap->word1 = 0;
        return ERROR_NONE;
    case OBJECT_IRQ_CONTROL:
    case OBJECT_IO_PORT_CONTROL:
        return ERROR_ILLEGAL_OPERATION;
    default:
        return ERROR_NONE;
    }
}
