/* Retype. See untyped.h. */
#include <kernel/object.h>
#include <mm/untyped.h>

#define CLEAR_STEP_BYTES 16384ul

static unsigned unit_bits(struct cap cap)
{
    unsigned size_bits = cap_untyped_size_bits(cap);
    return size_bits > 35 ? size_bits - 31 : 4;
}

static word used_bytes(const struct slot *slot)
{
    word size = 1ul << cap_untyped_size_bits(slot->cap);
    word used = (slot->cap.word1 & UINT32_MAX) << unit_bits(slot->cap);
    if (!slot_has_child(slot))
        return 0;
    return used < size ? used : size;
}

static word zeroed_bytes(struct cap cap)
{
    return cap.word1 >> 32 << unit_bits(cap);
}

static void bytes_set(struct slot *slot, word used, word zeroed)
{
    unsigned bits = unit_bits(slot->cap);
    word round = (1ul << bits) - 1;
    slot->cap.word1 = (used + round) >> bits | (zeroed >> bits) << 32;
}

word untyped_free_bytes(const struct slot *slot)
{
    return (1ul << cap_untyped_size_bits(slot->cap)) - used_bytes(slot);
}

static word align_up(word value, unsigned bits)
{
    return (value + (1ul << bits) - 1) >> bits << bits;
}

enum error untyped_retype_check(const struct slot *slot, struct retype_request *request)
{
    word size = 1ul << cap_untyped_size_bits(slot->cap);
    word start;
    if (cap_untyped_kind(slot->cap) != BOOT_UNTYPED_MEMORY && request->type != OBJECT_FRAME &&
        request->type != OBJECT_UNTYPED)
        return ERROR_ILLEGAL_OPERATION;
    if (request->object_bits > cap_untyped_size_bits(slot->cap))
        return ERROR_NOT_ENOUGH_MEMORY;
    request->used = used_bytes(slot);
    start = align_up(request->used, request->object_bits);
    if (start > size || request->count > (size - start) >> request->object_bits)
        return ERROR_NOT_ENOUGH_MEMORY;
    return ERROR_NONE;
}

/* Clears up to `end`; false when preempted: then what lies before `start` counts as used, since it is not clear. */
static bool untyped_clear(struct core *core, struct slot *slot, word start, word end)
{
    word zeroed = zeroed_bytes(slot->cap);
    char *memory = paddr_to_kernel(cap_untyped_address(slot->cap));
    if (zeroed < start)
        zeroed = start;
    while (zeroed < end) {
        word step = end - zeroed < CLEAR_STEP_BYTES ? end - zeroed : CLEAR_STEP_BYTES;
        arch_memory_clear(memory + zeroed, step);
        zeroed += step;
        if (zeroed < end && preemption_wanted(core)) {
            bytes_set(slot, start, zeroed);
            return false;
        }
    }
    bytes_set(slot, start, zeroed);
    return true;
}

bool untyped_retype_commit(struct core *core, struct slot *slot, const struct retype_request *request)
{
    word used = request->used, start = align_up(used, request->object_bits);
    word end = start + (request->count << request->object_bits), kind = cap_untyped_kind(slot->cap);
    if (used == 0 && (slot->cap.word1 & UINT32_MAX) != 0)
        bytes_set(slot, 0, 0); /* the last child went since: all of it is dirty */
    if (kind == BOOT_UNTYPED_MEMORY && request->type != OBJECT_UNTYPED && !untyped_clear(core, slot, start, end))
        return false;
    word zeroed = zeroed_bytes(slot->cap);
    bytes_set(slot, end, zeroed > end ? zeroed : end);
    for (word i = 0; i < request->count; i++) {
        paddr address = cap_untyped_address(slot->cap) + start + (i << request->object_bits);
        slot_insert(slot, &request->slots[i], object_create(request->type, request->size_bits, address, kind),
                    SLOT_ORIGINAL);
    }
    return true;
}
