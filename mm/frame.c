/* Frames in address spaces.
 *
 * A frame capability remembers one mapping: the VSpace and where the frame's byte 0 lies (or would lie: any part of the
 * frame may be mapped, in several calls, as long as the distance is the same). Unmapping needs no list of what is
 * mapped: it walks the frame's whole extent and clears the entries that point into the frame.
 */
#include <mm/vspace.h>

#define MAP_STEPS 512 /* entries written in one call */

/* The widest entry that maps `bytes` or less at both addresses. */
static unsigned leaf_level(vaddr address, paddr target, word bytes)
{
    unsigned level = 1;
    while (level < 3 && arch_mmu_has_leaf(level + 1)) {
        word size = 1ul << level_bits(level + 1);
        if (((address | target) & (size - 1)) != 0 || bytes < size)
            break;
        level++;
    }
    return level;
}

/* The entry for that leaf; the level that it asks for comes out in *level. */
static struct walk leaf_walk(struct vspace *vspace, vaddr address, paddr target, word bytes, unsigned *level)
{
    unsigned limit = vspace_leaf_limit(vspace, address);
    *level = leaf_level(address, target, bytes);
    if (*level > limit)
        *level = limit; /* above, unmapping would not find it */
    struct walk walk = vspace_walk(vspace, address, *level);
    /* Where smaller pages are already in use, smaller pages it is. */
    while (!walk.is_borrowed && walk.level == *level && arch_entry_is_table(*walk.entry, *level))
        walk = vspace_walk(vspace, address, --*level);
    return walk;
}

static enum error frame_check(struct cap cap, const struct vspace *vspace, const struct frame_request *request)
{
    word size = 1ul << cap_frame_size_bits(cap);
    word rights = request->rights;
    if ((request->address | request->first | request->bytes) % PAGE_BYTES != 0)
        return ERROR_ALIGNMENT;
    if (request->first > size || request->bytes > size - request->first || request->bytes == 0)
        return ERROR_RANGE;
    if (request->address >= ARCH_USER_END || request->bytes > ARCH_USER_END - request->address)
        return ERROR_RANGE;
    if (!(rights & RIGHT_READ) || (rights & ~(word)(RIGHT_READ | RIGHT_WRITE | RIGHT_EXEC)) != 0)
        return ERROR_INVALID_ARGUMENT;
    /* W^X is the kernel's rule, not only user level's. */
    if ((rights & RIGHT_WRITE) && (rights & RIGHT_EXEC))
        return ERROR_INVALID_ARGUMENT;
    if (request->attributes & ~(word)(ATTRIBUTE_UNCACHED | ATTRIBUTE_WRITE_COMBINE))
        return ERROR_INVALID_ARGUMENT;
    if (rights & ~cap_frame_rights(cap))
        return ERROR_ILLEGAL_OPERATION;
    if (cap_frame_progress(cap) != 0)
        return ERROR_DELETE_FIRST; /* it is being unmapped */
    if (cap_frame_is_mapped(cap) && vspace_find(cap_mapping_vspace(cap)) &&
        cap.word1 != cap_mapping(vspace->id, request->address - request->first))
        return ERROR_DELETE_FIRST;
    return ERROR_NONE;
}

enum error frame_map(struct slot *slot, struct vspace *vspace, const struct frame_request *request, word *done,
                     unsigned *missing)
{
    struct cap cap = slot->cap;
    word mapping = cap_mapping(vspace->id, request->address - request->first), attributes = request->attributes;
    bool was_mapped = cap_frame_is_mapped(cap) && cap.word1 == mapping, is_changed = false, is_shared = false;
    enum error error = frame_check(cap, vspace, request);
    *done = 0;
    if (error != ERROR_NONE)
        return error;
    if (cap_frame_kind(cap) == BOOT_UNTYPED_DEVICE && attributes == 0)
        attributes = ATTRIBUTE_UNCACHED;
    unsigned level = 0;
    struct walk walk = {0};
    for (unsigned step = 0; step < MAP_STEPS && *done < request->bytes; step++) {
        vaddr address = request->address + *done;
        paddr target = cap_frame_address(cap) + request->first + *done;
        if (level == 1 && address % (1ul << level_bits(2)) != 0)
            walk.entry++; /* the next page, in the same table */
        else
            walk = leaf_walk(vspace, address, target, request->bytes - *done, &level);
        if (walk.is_borrowed) {
            error = ERROR_ILLEGAL_OPERATION;
            break;
        }
        if (arch_entry_is_present(*walk.entry)) {
            /* Only this capability's own entries may be changed. */
            if (walk.level != level || !was_mapped || arch_entry_address(*walk.entry) != target) {
                error = ERROR_DELETE_FIRST;
                break;
            }
            is_changed = true;
        } else if (walk.level > level) {
            *missing = walk.level - 1;
            error = ERROR_FAILED_LOOKUP;
            break;
        }
        is_shared = is_shared || walk.is_shared;
        arch_entry_write(walk.entry,
                         arch_entry_make_leaf(target, level, (unsigned)request->rights, (unsigned)attributes));
        *done += 1ul << level_bits(level);
    }
    if (*done > 0) {
        slot->cap = cap_frame_set_mapped(cap, mapping);
        arch_mmu_publish();
        if (is_changed)
            vspace_invalidate(vspace, is_shared);
        return ERROR_NONE;
    }
    return error;
}

struct unmapping {
    unsigned cleared;
    bool is_shared;
    vaddr address; /* of the one that was cleared last */
};

/* Clears what [start, end) of the extent has; `base` is the virtual address of the frame's byte 0 (it may wrap). */
static void extent_clear(struct vspace *vspace, struct cap cap, vaddr base, word start, word end,
                         struct unmapping *result)
{
    while (start < end) {
        vaddr address = (base + start) & ((1ul << CAP_MAPPING_BITS) - 1);
        unsigned level = ARCH_LEVELS;
        if (address < ARCH_USER_END) {
            struct walk walk = vspace_walk(vspace, address, 1);
            level = walk.level;
            if (arch_entry_is_present(*walk.entry) && !walk.is_borrowed && !arch_entry_is_table(*walk.entry, level) &&
                arch_entry_address(*walk.entry) ==
                    ((cap_frame_address(cap) + start) & ~((1ul << level_bits(level)) - 1))) {
                arch_entry_write(walk.entry, 0);
                result->cleared++;
                result->is_shared = result->is_shared || walk.is_shared;
                result->address = address;
            }
        }
        /* On to the next entry of that level: nothing else can lie in this one. */
        word skip = (1ul << level_bits(level)) - (address & ((1ul << level_bits(level)) - 1));
        if (skip >= end - start)
            break;
        start += skip;
    }
}

bool frame_release(struct core *core, struct slot *slot)
{
    struct cap cap = slot->cap;
    struct vspace *vspace = cap_frame_is_mapped(cap) ? vspace_find(cap_mapping_vspace(cap)) : NULL;
    if (vspace) {
        /* 1/256 of the frame, but no less than a page, between preemption points. */
        unsigned size_bits = cap_frame_size_bits(cap);
        unsigned unit_bits = size_bits > PAGE_BITS + 8 ? size_bits - 8 : size_bits;
        unsigned units = 1u << (size_bits - unit_bits), unit = cap_frame_progress(cap);
        struct unmapping result = {0};
        bool is_preempted = false;
        for (; unit < units && !is_preempted; unit++) {
            extent_clear(vspace, cap, cap_mapping_address(cap), (word)unit << unit_bits, (word)(unit + 1) << unit_bits,
                         &result);
            is_preempted = unit + 1 < units && preemption_wanted(core);
        }
        if (result.cleared == 1 && !result.is_shared)
            arch_tlb_page(&vspace->space, result.address);
        else if (result.cleared > 0)
            vspace_invalidate(vspace, result.is_shared);
        if (is_preempted) {
            slot->cap = cap_frame_set_progress(cap, unit);
            return false;
        }
    }
    slot->cap = cap_frame_set_unmapped(cap);
    return true;
}
