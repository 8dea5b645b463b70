/* Invocations of CNodes: copying, moving and deleting capabilities. */
#include <ipc/ipc.h>
#include <kernel/call.h>
#include <kernel/delete.h>

static struct cap cap_mask_rights(struct cap cap, word rights)
{
    switch (cap_type(cap)) {
    case OBJECT_ENDPOINT:
    case OBJECT_NOTIFICATION:
    case OBJECT_REPLY:
        return cap_set_detail(cap, cap_detail(cap) & rights);
    case OBJECT_FRAME:
        return cap_frame_mask_rights(cap, rights);
    default:
        return cap;
    }
}

/* Gives the capability the badge, or the CNode capability the guard, that an argument carries. */
static SELDOM enum error cap_set_badge(struct cap *cap, word badge)
{
    switch (cap_type(*cap)) {
    case OBJECT_ENDPOINT:
    case OBJECT_NOTIFICATION:
        if (badge != 0 && cap_badge(*cap) != 0)
            return ERROR_ILLEGAL_OPERATION;
        cap->word1 |= badge;
        return ERROR_NONE;
    case OBJECT_CNODE: {
        word guard = badge & UINT32_MAX, guard_bits = badge >> 32;
        unsigned radix = cap_cnode_radix(*cap);
        if (guard_bits > 32 - radix || guard >> guard_bits != 0)
            return ERROR_INVALID_ARGUMENT;
        *cap = cap_make_cnode(cap_object(*cap), radix, (unsigned)guard_bits, guard);
        return ERROR_NONE;
    }
    default:
        return badge == 0 ? ERROR_NONE : ERROR_ILLEGAL_OPERATION;
    }
}

/* One empty destination in the invoked CNode, index in argument 0. */
static enum error destination(struct call *call, struct slot **slot)
{
    enum error error = call_own_slots(call, 0, 1, slot);
    if (error == ERROR_NONE && !slot_is_empty(*slot))
        return ERROR_DELETE_FIRST;
    return error;
}

/* One source with a capability, named by arguments i, i + 1. */
static enum error source(struct call *call, unsigned i, struct slot **slot)
{
    enum error error = call_slots(call, i, 1, slot);
    if (error == ERROR_NONE && slot_is_empty(*slot))
        return ERROR_FAILED_LOOKUP;
    return error;
}

static enum error copy_one(struct slot *from, struct slot *to, word rights)
{
    struct cap cap;
    if (!slot_is_empty(to))
        return ERROR_DELETE_FIRST;
    enum error error = slot_derive(from, &cap);
    if (error == ERROR_NONE)
        slot_insert_derived(from, to, cap_mask_rights(cap, rights));
    return error;
}

static enum error copy_many(struct call *call, struct slot *from, struct slot *to, word count)
{
    word rights = call_argument(call, 3), done = 0;
    enum error error;
    if (count > STEPS_PER_CALL)
        count = STEPS_PER_CALL;
    do
        error = copy_one(from + done, to + done, rights);
    while (error == ERROR_NONE && ++done < count);
    return done > 0 ? call_done(call, done) : error;
}

enum error cnode_copy(struct call *call)
{
    word count = call_argument(call, 4);
    struct slot *to, *from;
    if (count == 0)
        return call_fail_range(call, 1, UINT32_MAX);
    enum error error = call_own_slots(call, 0, count, &to);
    if (error == ERROR_NONE)
        error = call_slots(call, 1, count, &from);
    return error == ERROR_NONE ? copy_many(call, from, to, count) : error;
}

SELDOM enum error cnode_mint(struct call *call)
{
    struct slot *to, *from;
    struct cap cap;
    enum error error = destination(call, &to);
    if (error == ERROR_NONE)
        error = source(call, 1, &from);
    if (error == ERROR_NONE)
        error = slot_derive(from, &cap);
    if (error != ERROR_NONE)
        return error;
    cap = cap_mask_rights(cap, call_argument(call, 3));
    error = cap_set_badge(&cap, call_argument(call, 4));
    if (error != ERROR_NONE)
        return call_fail(call, error, 4);
    slot_insert_derived(from, to, cap);
    return ERROR_NONE;
}

enum error cnode_move(struct call *call)
{
    struct slot *to, *from;
    enum error error = destination(call, &to);
    if (error == ERROR_NONE)
        error = source(call, 1, &from);
    if (error == ERROR_NONE)
        slot_move(from, to, from->cap);
    return error;
}

/* Moving with a change is for guards: a badge once given stays, and giving one is Mint's work. */
static SELDOM enum error mutated(const struct slot *slot, word badge, struct cap *cap)
{
    *cap = slot->cap;
    if (badge != 0 && cap_type(*cap) != OBJECT_CNODE)
        return ERROR_ILLEGAL_OPERATION;
    return badge == 0 ? ERROR_NONE : cap_set_badge(cap, badge);
}

SELDOM enum error cnode_mutate(struct call *call)
{
    struct slot *to, *from;
    struct cap cap;
    enum error error = destination(call, &to);
    if (error == ERROR_NONE)
        error = source(call, 1, &from);
    if (error == ERROR_NONE)
        error = mutated(from, call_argument(call, 3), &cap);
    if (error == ERROR_NONE)
        slot_move(from, to, cap);
    return error;
}

/* Pivot goes to the destination, source to the pivot's slot; destination = source exchanges the two. */
SELDOM enum error cnode_rotate(struct call *call)
{
    struct slot *to, *pivot, *from;
    struct cap pivot_cap, from_cap;
    enum error error = call_own_slots(call, 0, 1, &to);
    if (error == ERROR_NONE)
        error = source(call, 2, &pivot);
    if (error == ERROR_NONE)
        error = source(call, 5, &from);
    if (error != ERROR_NONE)
        return error;
    if (pivot == from || pivot == to)
        return ERROR_ILLEGAL_OPERATION;
    if (to != from && !slot_is_empty(to))
        return ERROR_DELETE_FIRST;
    error = mutated(pivot, call_argument(call, 1), &pivot_cap);
    if (error == ERROR_NONE)
        error = mutated(from, call_argument(call, 4), &from_cap);
    if (error != ERROR_NONE)
        return error;
    if (to == from) {
        slot_swap(pivot, pivot_cap, from, from_cap);
    } else {
        slot_move(pivot, to, pivot_cap);
        slot_move(from, pivot, from_cap);
    }
    return ERROR_NONE;
}

static enum error delete_many(struct call *call, struct slot *slot, word count)
{
    word done = 0;
    if (count > STEPS_PER_CALL)
        count = STEPS_PER_CALL;
    while (slot_delete(call->core, slot + done))
        if (++done == count || preemption_wanted(call->core))
            break;
    return done > 0 ? call_done(call, done) : call_preempted(call);
}

enum error cnode_delete(struct call *call)
{
    word count = call_argument(call, 1);
    struct slot *slot;
    if (count == 0)
        return call_fail_range(call, 1, UINT32_MAX);
    enum error error = call_own_slots(call, 0, count, &slot);
    return error == ERROR_NONE ? delete_many(call, slot, count) : error;
}

SELDOM enum error cnode_revoke(struct call *call)
{
    struct slot *slot;
    enum error error = call_own_slots(call, 0, 1, &slot);
    if (error != ERROR_NONE)
        return error;
    return slot_revoke(call->core, slot) ? ERROR_NONE : call_preempted(call);
}

SELDOM enum error cnode_cancel_badged_sends(struct call *call)
{
    struct slot *slot;
    enum error error = call_own_slots(call, 0, 1, &slot);
    if (error != ERROR_NONE)
        return error;
    /* All rights: who can only send must not be able to end the sends of others with the same badge. */
    if (cap_type(slot->cap) != OBJECT_ENDPOINT || cap_badge(slot->cap) == 0 || cap_rights(slot->cap) != RIGHT_ALL)
        return ERROR_ILLEGAL_OPERATION;
    if (!endpoint_cancel_badged(call->core, cap_object(slot->cap), cap_badge(slot->cap)))
        return call_preempted(call);
    return ERROR_NONE;
}
