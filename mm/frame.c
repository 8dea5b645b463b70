/* Frames in address spaces.
 *
 * A frame capability remembers one mapping: the VSpace and where the frame's byte 0 lies (or would lie: any part of the
 * frame may be mapped, in several calls, as long as the distance is the same). Unmapping needs no list of what is
 * mapped: it walks the frame's whole extent and clears the entries that point into the frame.
 */
#include <mm/vspace.h>

#define MAP_STEPS        512 /* entries written in one call */
#define UNTROUBLED_STEPS 128 /* of them, between preemption points */

#define TABLE_BYTES      (1ul << (PAGE_BITS + TABLE_INDEX_BITS)) /* what a table of pages covers */
#define RIGHTS_MAPPABLE  (1u << RIGHT_READ | 1u << (RIGHT_READ | RIGHT_WRITE) | 1u << (RIGHT_READ | RIGHT_EXEC))
#define ATTRIBUTES_FRAME (word)(ATTRIBUTE_UNCACHED | ATTRIBUTE_WRITE_COMBINE)

/* The widest entry that maps `bytes` or less at both addresses. */
static inline unsigned leaf_level(vaddr address, paddr target, word bytes)
{
    unsigned level = 1;
    while (level < 3) {
        word size = 1ul << level_bits(level + 1);
        if (((address | target) & (size - 1)) != 0 || bytes < size || !arch_mmu_has_leaf(level + 1))
            break;
        level++;
    }
    return level;
}

/* The entry for that leaf; the level that it asks for comes out in *level. */
static inline struct walk leaf_walk(struct vspace *vspace, vaddr address, paddr target, word bytes, unsigned *level)
{
    unsigned wanted = leaf_level(address, target, bytes);
    if (__builtin_expect(vspace->shared_count > 0, 0)) {
        unsigned limit = vspace_leaf_limit(vspace, address);
        if (wanted > limit)
            wanted = limit; /* above, unmapping would not find it */
    }
    struct walk walk = vspace_walk(vspace, address, wanted);
    /* Where smaller pages are already in use, smaller pages it is. */
    while (wanted > 1 && !walk.is_borrowed && walk.level == wanted && arch_entry_is_table(*walk.entry, wanted))
        walk = vspace_walk(vspace, address, --wanted);
    *level = wanted;
    return walk;
}

static inline enum error frame_check(struct cap cap, const struct frame_request *request, word mapping)
{
    word size = 1ul << cap_frame_size_bits(cap), rights = request->rights;
    if ((request->address | request->first | request->bytes) % PAGE_BYTES != 0)
        return ERROR_ALIGNMENT;
    if (request->first > size || request->bytes - 1 >= size - request->first)
        return ERROR_RANGE;
    if (request->address >= ARCH_USER_END || request->bytes > ARCH_USER_END - request->address)
        return ERROR_RANGE;
    /* W^X is the kernel's rule, not only user level's. */
    if (rights >= 32 || !(RIGHTS_MAPPABLE >> rights & 1) || (request->attributes & ~ATTRIBUTES_FRAME))
        return ERROR_INVALID_ARGUMENT;
    if (rights & ~cap_frame_rights(cap))
        return ERROR_ILLEGAL_OPERATION;
    if (cap_frame_progress(cap) != 0)
        return ERROR_DELETE_FIRST; /* it is being unmapped */
    if (cap_frame_is_mapped(cap) && cap.word1 != mapping && vspace_find(cap_mapping_vspace(cap)))
        return ERROR_DELETE_FIRST;
    return ERROR_NONE;
}

/* An entry that is not simply free: may it be written? Only this capability's own may be changed. */
static SELDOM enum error entry_check(struct walk walk, unsigned level, paddr target, bool is_own)
{
    if (walk.is_borrowed)
        return ERROR_ILLEGAL_OPERATION;
    if (!arch_entry_is_present(*walk.entry))
        return walk.level > level ? ERROR_FAILED_LOOKUP : ERROR_NONE;
    if (walk.level != level || !is_own || arch_entry_address(*walk.entry) != target)
        return ERROR_DELETE_FIRST;
    return ERROR_NONE;
}

/* The entry for the page at `address`, if the tables are there; NULL where the walk is not that simple. */
static arch_entry *page_entry(struct vspace *vspace, vaddr address)
{
    arch_entry *table = vspace_root(vspace);
    if (vspace->shared_count > 0)
        return NULL;
#pragma GCC unroll 3
    for (unsigned level = ARCH_LEVELS; level > 1; level--) {
        arch_entry entry = table[(address >> level_bits(level)) % ARCH_TABLE_ENTRIES];
        if (!arch_entry_is_table(entry, ARCH_LEVELS) || (arch_entry_table_flags(entry) & TABLE_BORROWED))
            return NULL;
        table = paddr_to_kernel(arch_entry_address(entry));
    }
    return &table[(address >> PAGE_BITS) % ARCH_TABLE_ENTRIES];
}

static SELDOM enum error extent_map(struct core *core, struct slot *slot, struct vspace *vspace,
                                    const struct frame_request *request, word mapping, unsigned attributes,
                                    word *result)
{
    struct cap cap = slot->cap;
    vaddr address = request->address, end = address + request->bytes;
    paddr target = cap_frame_address(cap) + request->first;
    unsigned level = 0, steps = 0, next_point = 1;
    bool is_changed = false, is_shared = false;
    enum error error = ERROR_NONE;
    arch_entry leaf = 0;
    struct walk walk = {0};
    do {
        if (level == 1 && address % TABLE_BYTES != 0) {
            walk.entry++; /* the next page, in the same table */
        } else {
            walk = leaf_walk(vspace, address, target, end - address, &level);
            leaf = arch_entry_make_leaf(0, level, (unsigned)request->rights, attributes);
            is_shared = is_shared || walk.is_shared;
            next_point = steps + 1; /* finding a table takes long */
        }
        if (walk.level != level || walk.is_borrowed || arch_entry_is_present(*walk.entry)) {
            error = entry_check(walk, level, target, cap_frame_is_mapped(cap) && cap.word1 == mapping);
            if (error != ERROR_NONE)
                break;
            is_changed = true;
        }
        arch_entry_write(walk.entry, leaf | target);
        address += 1ul << level_bits(level);
        target += 1ul << level_bits(level);
        if (++steps == next_point) {
            next_point += UNTROUBLED_STEPS;
            if (preemption_wanted(core))
                break;
        }
    } while (address != end && steps < MAP_STEPS);
    *result = address - request->address;
    if (*result == 0) {
        *result = walk.level - 1;
        return error;
    }
    slot->cap = cap_frame_set_mapped(cap, mapping);
    arch_mmu_publish();
    if (is_changed)
        vspace_invalidate(vspace, is_shared);
    return ERROR_NONE;
}

enum error frame_map(struct core *core, struct slot *slot, struct vspace *vspace, const struct frame_request *request,
                     word *result)
{
    struct cap cap = slot->cap;
    word mapping = cap_mapping(vspace->id, request->address - request->first);
    enum error error = frame_check(cap, request, mapping);
    if (error != ERROR_NONE)
        return error;
    unsigned attributes = (unsigned)request->attributes;
    if (attributes == 0 && cap_frame_kind(cap) == BOOT_UNTYPED_DEVICE)
        attributes = ATTRIBUTE_UNCACHED;
    /* The commonest: one page, where nothing is yet. */
    arch_entry *entry = request->bytes == PAGE_BYTES ? page_entry(vspace, request->address) : NULL;
    if (!entry || arch_entry_is_present(*entry))
        return extent_map(core, slot, vspace, request, mapping, attributes, result);
    arch_entry_write(
        entry, arch_entry_make_leaf(cap_frame_address(cap) + request->first, 1, (unsigned)request->rights, attributes));
    slot->cap = cap_frame_set_mapped(cap, mapping);
    arch_mmu_publish();
    *result = PAGE_BYTES;
    return ERROR_NONE;
}

struct unmapping {
    unsigned cleared;
    bool is_shared;
    vaddr address; /* of the one that was cleared last */
};

/* Clears the entry, if it maps the frame's byte `offset` as one of a level-`level` table does. */
static inline void entry_clear(arch_entry *entry, unsigned level, struct cap cap, word offset, vaddr address,
                               struct unmapping *result)
{
    paddr target = (cap_frame_address(cap) + offset) & ~((1ul << level_bits(level)) - 1);
    if (!arch_entry_is_present(*entry) || arch_entry_is_table(*entry, level) || arch_entry_address(*entry) != target)
        return;
    arch_entry_write(entry, 0);
    result->cleared++;
    result->address = address;
}

/* The same for all pages in that table; returns the distance of the last one. */
static __attribute__((noinline)) word pages_clear(arch_entry *entry, struct cap cap, word offset, word end,
                                                  vaddr address, struct unmapping *result)
{
    word room = TABLE_BYTES - address % TABLE_BYTES, bytes = end - offset < room ? end - offset : room;
    paddr target = cap_frame_address(cap) + offset, last = target + bytes - PAGE_BYTES, first = target;
    unsigned cleared = 0;
    for (; target <= last; target += PAGE_BYTES, entry++) {
        if (arch_entry_is_present(*entry) && arch_entry_address(*entry) == target) {
            arch_entry_write(entry, 0);
            result->address = address + (target - first);
            cleared++;
        }
    }
    result->cleared += cleared;
    return bytes - PAGE_BYTES;
}

static vaddr extent_address(struct cap cap, word offset)
{
    return (cap_mapping_address(cap) + offset) & ((1ul << CAP_MAPPING_BITS) - 1); /* byte 0 may lie below 0 */
}

/* Clears what [start, end) of the frame's extent has. */
static SELDOM void extent_clear(struct vspace *vspace, struct cap cap, word start, word end, struct unmapping *result)
{
    while (start < end) {
        vaddr address = extent_address(cap, start);
        unsigned level = ARCH_LEVELS;
        if (address < ARCH_USER_END) {
            struct walk walk = vspace_walk(vspace, address, 1);
            level = walk.level;
            if (!walk.is_borrowed) {
                result->is_shared = result->is_shared || walk.is_shared;
                if (level == 1) {
                    word done = pages_clear(walk.entry, cap, start, end, address, result);
                    start += done;
                    address += done;
                } else {
                    entry_clear(walk.entry, level, cap, start, address, result);
                }
            }
        }
        /* On to the next entry of that level: nothing else can lie in this one. */
        word skip = (1ul << level_bits(level)) - (address & ((1ul << level_bits(level)) - 1));
        if (skip >= end - start)
            break;
        start += skip;
    }
}

static void unmapping_publish(struct vspace *vspace, const struct unmapping *result)
{
    if (result->cleared == 1 && !result->is_shared)
        arch_tlb_page(&vspace->space, result->address);
    else if (result->cleared > 0)
        vspace_invalidate(vspace, result->is_shared);
}

/* The whole extent, with a preemption point after each table's worth. */
static SELDOM bool extent_release(struct core *core, struct slot *slot, struct vspace *vspace)
{
    struct cap cap = slot->cap;
    word size = 1ul << cap_frame_size_bits(cap), start = cap_frame_progress(cap) * TABLE_BYTES;
    struct unmapping result = {0};
    bool is_done;
    do {
        word end = size - start > TABLE_BYTES ? start + TABLE_BYTES : size;
        extent_clear(vspace, cap, start, end, &result);
        start = end;
        is_done = start == size;
    } while (!is_done && !preemption_wanted(core));
    unmapping_publish(vspace, &result);
    if (!is_done)
        slot->cap = cap_frame_set_progress(cap, (unsigned)(start / TABLE_BYTES));
    return is_done;
}

bool frame_release(struct core *core, struct slot *slot)
{
    struct cap cap = slot->cap;
    if (!cap_frame_is_mapped(cap))
        return true;
    struct vspace *vspace = vspace_find(cap_mapping_vspace(cap));
    if (vspace) {
        vaddr address = cap_mapping_address(cap);
        arch_entry *entry = cap_frame_size_bits(cap) == PAGE_BITS ? page_entry(vspace, address) : NULL;
        if (!entry) {
            if (!extent_release(core, slot, vspace))
                return false;
        } else if (arch_entry_is_present(*entry) && arch_entry_address(*entry) == cap_frame_address(cap)) {
            arch_entry_write(entry, 0);
            arch_tlb_page(&vspace->space, address);
        }
    }
    slot->cap = cap_frame_set_unmapped(slot->cap);
    return true;
}
