/* From a cptr to a slot. */
#ifndef KERNEL_LOOKUP_H
#define KERNEL_LOOKUP_H

#include <kernel/slot.h>

/* So many CNodes can stand on the way: one system call makes up to fifteen look-ups, and interrupts wait meanwhile. */
#define LOOKUP_CNODES 8

/* Resolves all 32 bits of `address` from the CNode capability `root`. ERROR_FAILED_LOOKUP when nothing is there; the
 * slot found may be empty. */
enum error lookup_slot(struct cap root, cptr address, struct slot **slot);

/* The same, but the slot must hold a capability. */
enum error lookup_cap_through(struct cap root, cptr address, struct slot **slot);
static inline enum error lookup_cap(struct cap root, cptr address, struct slot **slot)
{
    /* Nearly every CSpace is one CNode. Slot 0 is empty or holds a zombie, so address 0 needs no test of its own. */
    word detail = root.word0 >> 48, radix = detail & 31;
    if (cap_type(root) != OBJECT_CNODE || (detail >> 5) + radix != 32 || address >> radix != root.word1)
        return lookup_cap_through(root, address, slot);
    *slot = (struct slot *)cap_object_of(root, OBJECT_CNODE) + (address - (root.word1 << radix));
    enum object_type type = cap_type((*slot)->cap);
    return type == OBJECT_NULL || type == CAP_ZOMBIE ? ERROR_FAILED_LOOKUP : ERROR_NONE;
}

/* The `count` slots from `index` on of the CNode named `cnode`. ERROR_INVALID_CAPABILITY when it is no CNode,
 * ERROR_RANGE when some lie outside (index 0 is the kernel's). */
enum error lookup_range(struct cap root, cptr cnode, word index, word count, struct slot **first);

/* Slots of a CNode capability already at hand. */
static inline enum error cnode_range(struct cap cnode, word index, word count, struct slot **first)
{
    word slots = 1ul << cap_cnode_radix(cnode);
    if (index - 1 >= slots - 1 || count > slots - index)
        return ERROR_RANGE;
    *first = (struct slot *)cap_object(cnode) + index;
    return ERROR_NONE;
}

#endif
