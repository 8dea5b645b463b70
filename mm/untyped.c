/* Retype. See untyped.h. */
#include <kernel/object.h>
#include <mm/untyped.h>

#define CLEAR_STEP_BYTES 16384ul
#define CREATE_STEPS     4 /* objects made between preemption points */

static unsigned unit_bits(struct cap cap)
{
    unsigned size_bits = cap_untyped_size_bits(cap);
    return size_bits > 35 ? size_bits - 31 : 4;
}

static word used_bytes(const struct slot *slot)
{
    word size = 1ul << cap_untyped_size_bits(slot->cap);
    word used = (slot->cap.word1 & UINT32_MAX) << unit_bits(slot->cap);
    if (used == 0 || !slot_has_child(slot))
        return 0;
    return used < size ? used : size;
}

static word bytes_word(unsigned unit, word used, word zeroed)
{
    return (used + (1ul << unit) - 1) >> unit | zeroed >> unit << 32;
}

word untyped_free_bytes(const struct slot *slot)
{
    return (1ul << cap_untyped_size_bits(slot->cap)) - used_bytes(slot);
}

static word align_up(word value, unsigned bits)
{
    return (value + (1ul << bits) - 1) >> bits << bits;
}

/* Clears from `zeroed` on up to `end`; returns up to where: less than `end` when preempted. */
static word memory_clear(struct core *core, struct cap cap, word zeroed, word end)
{
    char *memory = paddr_to_kernel(cap_untyped_address(cap));
    while (zeroed < end) {
        word step = end - zeroed < CLEAR_STEP_BYTES ? end - zeroed : CLEAR_STEP_BYTES;
        arch_memory_clear(memory + zeroed, step);
        zeroed += step;
        if (zeroed < end && preemption_wanted(core))
            break;
    }
    return zeroed;
}

enum error untyped_make(struct core *core, struct slot *slot, struct retype_request *request)
{
    struct cap cap = slot->cap;
    word kind = cap_untyped_kind(cap), size = 1ul << cap_untyped_size_bits(cap), used = used_bytes(slot);
    unsigned unit = unit_bits(cap), object_bits = request->object_bits;
    if (kind != BOOT_UNTYPED_MEMORY && request->type != OBJECT_FRAME && request->type != OBJECT_UNTYPED)
        return ERROR_ILLEGAL_OPERATION;
    word start = align_up(used, object_bits), room = start < size ? (size - start) >> object_bits : 0;
    if (room == 0)
        return ERROR_NOT_ENOUGH_MEMORY;
    if (request->count > room)
        request->count = room;
    word end = start + (request->count << object_bits);
    /* With nothing given out, what was given out before is dirty. */
    word zeroed = used == 0 && (uint32_t)cap.word1 != 0 ? 0 : cap.word1 >> 32 << unit;
    if (zeroed < start)
        zeroed = start;
    if (zeroed < end && kind == BOOT_UNTYPED_MEMORY && request->type != OBJECT_UNTYPED) {
        zeroed = memory_clear(core, cap, zeroed, end);
        if (zeroed < end) {
            /* Preempted. What lies before `start` counts as used, since it is not clear. */
            slot->cap.word1 = bytes_word(unit, start, zeroed);
            request->count = 0;
            return ERROR_NONE;
        }
    }
    paddr address = cap_untyped_address(cap) + start;
    word done = 0;
    do {
        slot_insert(slot, &request->slots[done],
                    object_create(request->type, request->size_bits, address + (done << object_bits), kind),
                    SLOT_ORIGINAL);
    } while (++done < request->count && (done % CREATE_STEPS != 0 || !preemption_wanted(core)));
    request->count = done;
    end = start + (done << object_bits);
    slot->cap.word1 = bytes_word(unit, end, zeroed > end ? zeroed : end);
    return ERROR_NONE;
}
