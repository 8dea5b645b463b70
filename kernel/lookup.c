/* Capability look-up. See lookup.h. */
#include <kernel/lookup.h>

enum error lookup_slot(struct cap root, cptr address, struct slot **slot)
{
    unsigned bits = 32, left = LOOKUP_CNODES;
    struct cap cap = root;
    if (address == 0)
        return ERROR_FAILED_LOOKUP;
    while (cap_type(cap) == OBJECT_CNODE) {
        unsigned radix = cap_cnode_radix(cap), guard_bits = cap_cnode_guard_bits(cap);
        if (radix + guard_bits > bits || left-- == 0)
            return ERROR_FAILED_LOOKUP;
        word rest = address & ((1ul << bits) - 1);
        if (rest >> (bits - guard_bits) != cap.word1)
            return ERROR_FAILED_LOOKUP;
        bits -= guard_bits + radix;
        struct slot *found = (struct slot *)cap_object(cap) + (rest >> bits & ((1ul << radix) - 1));
        if (bits == 0) {
            *slot = found;
            return ERROR_NONE;
        }
        cap = found->cap;
    }
    return ERROR_FAILED_LOOKUP;
}

enum error lookup_cap_through(struct cap root, cptr address, struct slot **slot)
{
    enum error error = lookup_slot(root, address, slot);
    if (error == ERROR_NONE && (slot_is_empty(*slot) || cap_type((*slot)->cap) == CAP_ZOMBIE))
        return ERROR_FAILED_LOOKUP;
    return error;
}

enum error lookup_range(struct cap root, cptr cnode, word index, word count, struct slot **first)
{
    struct slot *slot;
    if (lookup_cap(root, cnode, &slot) != ERROR_NONE || cap_type(slot->cap) != OBJECT_CNODE)
        return ERROR_INVALID_CAPABILITY;
    return cnode_range(slot->cap, index, count, first);
}
