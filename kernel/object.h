/* The object types: how big, how made, how destroyed. The one way up from the capability layer to the objects. */
#ifndef KERNEL_OBJECT_H
#define KERNEL_OBJECT_H

#include <kernel/slot.h>

struct core;

struct object_type_info {
    uint8_t size_bits; /* of objects of fixed size, else 0 */

    /* Makes the object in zeroed memory; NULL where zero is what it should be. */
    void (*init)(void *object);
    /* The last capability goes: nothing may refer to the object afterwards. False: preempted, call again. */
    bool (*destroy)(struct core *core, struct cap cap);
};

extern const struct object_type_info object_types[OBJECT_TYPE_COUNT];

/* What only single types need. */
extern const struct object_hooks {
    /* Any capability goes (before destroy): what this capability alone stood for, like a mapping. False: preempted. */
    bool (*frame_release)(struct core *core, struct slot *slot);
    bool (*page_table_release)(struct core *core, struct slot *slot);
    /* One of a thread's own slots (SLOT_IN_TCB) has become empty. */
    void (*tcb_slot_cleared)(struct core *core, struct slot *slot);
} object_hooks;

/* Containers (CNode, TCB): first slot (the kernel's own, always empty) and their number. */
struct slot *container_slots(struct cap cap, word *count);

/* The physical address of the memory that the capability stands for; false for those without any. */
static inline bool object_address(struct cap cap, paddr *address)
{
    enum object_type type = cap_type(cap);
    if (TYPE_IS_ONE_OF(type, TYPES_WITH_OBJECT))
        *address = kernel_to_paddr(cap_object(cap));
    else if (type == OBJECT_UNTYPED)
        *address = cap_untyped_address(cap);
    else if (type == OBJECT_FRAME)
        *address = cap_frame_address(cap);
    else
        return false;
    return true;
}
/* Do both stand for one object (or the same interrupt, ports, ...)? */
static inline bool object_is_same(struct cap a, struct cap b)
{
    enum object_type type = cap_type(a);
    word differs = a.word0 ^ b.word0;
    if (TYPE_IS_ONE_OF(type, TYPES_WITH_OBJECT))
        return (differs & CAP_SAME_OBJECT) == 0;
    if (type == OBJECT_FRAME)
        return (differs & CAP_SAME_FRAME) == 0;
    return differs == 0 && (type == OBJECT_UNTYPED || a.word1 == b.word1);
}

/* Is this the last capability to its object? */
static inline bool slot_is_final(const struct slot *slot)
{
    const struct slot *prev = slot_prev(slot), *next = slot->next;
    return !(prev && object_is_same(prev->cap, slot->cap)) && !(next && object_is_same(next->cap, slot->cap));
}

/* Checks type and size as UNTYPED_RETYPE has them; *bits = log2 of the bytes that one object takes. */
enum error object_size(word type, word size_bits, unsigned *bits);
/* The size_bits that the type may have; most is 0 where it does not matter. */
struct size_limits {
    uint8_t least, most;
};
struct size_limits object_size_limits(word type);
/* The capability to a new object of that kind at `address`, after making it. Memory objects are zeroed already. */
struct cap object_create(enum object_type type, word size_bits, paddr address, word untyped_kind);

#endif
