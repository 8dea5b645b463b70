/* Capability slots and the derivation tree.
 *
 * A slot is 32 bytes: the capability and its place in one doubly linked list of all capabilities, which is the
 * derivation tree in preorder. No depth is kept: whether the next one is a child follows from the capabilities
 * themselves (slot_is_parent), as in seL4's capability derivation tree:
 *
 *     untyped U (original)
 *       endpoint E (original)          made by retype
 *         E badge 7 (original)         minted from the unbadged original
 *           E badge 7                  copied from it
 *         E badge 9 (original)
 *       frame F (original)
 *         F                            copy
 *
 * Copies of a copy are its siblings. All capabilities to one object stand together, so the last one is known by looking
 * at its two neighbours.
 *
 * A slot that holds no capability is all zero. Every slot that holds one is in the list.
 */
#ifndef KERNEL_SLOT_H
#define KERNEL_SLOT_H

#include <kernel/cap.h>

struct slot {
    struct cap cap;
    word prev_and_flags;
    struct slot *next;
} __attribute__((aligned(32))); /* the low bits of its address carry flags */
_Static_assert(sizeof(struct slot) == 1u << OBJECT_BITS_CNODE_SLOT, "32 bytes a slot");

#define SLOT_ORIGINAL    1u /* copies of it are its children */
#define SLOT_FIRST_BADGE 2u /* an endpoint or notification capability that was minted with its badge */
#define SLOT_IN_TCB      4u /* the slot is one of struct tcb: clearing it must reach the thread */
#define SLOT_FLAGS       31ul

static inline struct slot *slot_prev(const struct slot *slot)
{
    return (struct slot *)(uintptr_t)(slot->prev_and_flags & ~SLOT_FLAGS);
}
static inline word slot_flags(const struct slot *slot)
{
    return slot->prev_and_flags & SLOT_FLAGS;
}
static inline bool slot_is_empty(const struct slot *slot)
{
    return cap_is_null(slot->cap);
}

/* Holds it a capability that a cptr can name? */
static inline bool slot_is_named(const struct slot *slot)
{
    return !slot_is_empty(slot) && cap_type(slot->cap) != CAP_ZOMBIE;
}

/* Puts the slot between two neighbours in a list; either may be NULL. */
void slot_link(struct slot *prev, struct slot *slot, struct slot *next, word flags);
/* Puts the first capability of a tree (no parent) into an empty slot. */
void slot_set_root(struct slot *slot, struct cap cap);
/* Puts `cap` into the empty slot right behind `parent` in the list. */
void slot_insert(struct slot *parent, struct slot *slot, struct cap cap, word flags);
/* Puts a copy derived from `source` (cap may have fewer rights or a badge) with the right flags. */
void slot_insert_derived(struct slot *source, struct slot *slot, struct cap cap);
/* Moves source's place in the tree to the empty slot, with `cap` as its capability. */
void slot_move(struct slot *source, struct slot *slot, struct cap cap);
/* Exchanges the places of two slots with capabilities, which become a_cap in b and b_cap in a. */
void slot_swap(struct slot *a, struct cap a_cap, struct slot *b, struct cap b_cap);
/* Takes the slot out of the tree and empties it. What the capability was good for is not this function's business. */
static inline void slot_remove(struct slot *slot)
{
    struct slot *prev = slot_prev(slot), *next = slot->next;
    if (prev)
        prev->next = next;
    if (next) {
        next->prev_and_flags = (word)(uintptr_t)prev | slot_flags(next);
        /* The first of a badge passes that honour on to a copy of it. */
        if ((slot_flags(slot) & SLOT_FIRST_BADGE) && cap_is_same_object(slot->cap, next->cap) &&
            cap_badge(slot->cap) == cap_badge(next->cap))
            next->prev_and_flags |= SLOT_FIRST_BADGE;
    }
    *slot = (struct slot){0};
}

/* Is `child` derived from `parent`? Meaningful for neighbours in the list only. */
bool slot_is_parent(const struct slot *parent, const struct slot *child);
static inline bool slot_has_child(const struct slot *slot)
{
    return slot->next && slot_is_parent(slot, slot->next);
}

/* What a copy of the capability in `slot` is: ERROR_REVOKE_FIRST for an untyped in use, ERROR_ILLEGAL_OPERATION for
 * what cannot be copied; *cap may come out null, which means that the copy would be empty. */
enum error slot_derive(const struct slot *slot, struct cap *cap);

#endif
