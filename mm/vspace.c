/* VSpaces, page tables and the walk. See vspace.h. */
#include <kernel/object.h>
#include <mm/vspace.h>

/* --- identity --- */

static struct vspace **bucket_of(uint32_t id)
{
    return &kernel.vspaces[id % KERNEL_VSPACE_BUCKETS];
}

struct vspace *vspace_find(uint32_t id)
{
    struct vspace *vspace = *bucket_of(id);
    while (vspace && vspace->id != id)
        vspace = vspace->next;
    return vspace;
}

void vspace_init(void *object)
{
    arch_entry *root = object;
    struct vspace *vspace = (struct vspace *)((char *)object + PAGE_BYTES);
    do {
        kernel.vspace_id = kernel.vspace_id % (CAP_VSPACE_ID_LIMIT - 1) + 1;
    } while (vspace_find(kernel.vspace_id));
    vspace->id = kernel.vspace_id;
    vspace->next = *bucket_of(vspace->id);
    *bucket_of(vspace->id) = vspace;
    arch_space_init(&vspace->space, root);
}

/* Made visible by the TLB operation that must follow. */
static void table_clear(paddr table)
{
    arch_memory_clear(paddr_to_kernel(table), ARCH_TABLE_ENTRIES * sizeof(arch_entry));
}

void vspace_invalidate(struct vspace *vspace, bool is_shared)
{
    if (is_shared)
        arch_tlb_all();
    else
        arch_tlb_space(&vspace->space);
}

/* --- the walk --- */

/* The shareable table of this VSpace that covers `address`, or NULL. */
static const struct shared_table *shared_find(const struct vspace *vspace, vaddr address)
{
    for (uint32_t i = 0; i < vspace->shared_count; i++) {
        const struct shared_table *shared = &vspace->shared[i];
        unsigned level = (unsigned)(shared->address_and_level & 3);
        if (((address ^ shared->address_and_level) >> level_bits(level + 1)) == 0)
            return shared;
    }
    return NULL;
}

/* Has it a shareable table that covers some of what a level-`level` table at `address` would? */
static bool shared_overlaps(const struct vspace *vspace, vaddr address, unsigned level)
{
    for (uint32_t i = 0; i < vspace->shared_count; i++) {
        word other = vspace->shared[i].address_and_level;
        unsigned wider = (unsigned)(other & 3) > level ? (unsigned)(other & 3) : level;
        if (((address ^ other) >> level_bits(wider + 1)) == 0)
            return true;
    }
    return false;
}

unsigned vspace_leaf_limit(const struct vspace *vspace, vaddr address)
{
    const struct shared_table *shared = vspace->shared_count > 0 ? shared_find(vspace, address) : NULL;
    return shared ? (unsigned)(shared->address_and_level & 3) : ARCH_LEVELS;
}

struct walk vspace_walk(struct vspace *vspace, vaddr address, unsigned level)
{
    struct walk walk = {.level = ARCH_LEVELS};
    arch_entry *table = vspace_root(vspace);
    if (__builtin_expect(vspace->shared_count > 0, 0)) {
        const struct shared_table *shared = shared_find(vspace, address);
        unsigned shared_level = shared ? (unsigned)(shared->address_and_level & 3) : 0;
        if (shared && shared_level >= level) {
            table = paddr_to_kernel(shared->table);
            walk.level = shared_level;
            walk.is_shared = true;
        }
    }
    /* The index of the table at hand stays in the highest bits. */
    word rest = address << (64 - level_bits(walk.level + 1));
    for (;;) {
        walk.entry = &table[rest >> (64 - TABLE_INDEX_BITS)];
        arch_entry entry = *walk.entry;
        if (walk.level == level || !arch_entry_is_table(entry, ARCH_LEVELS))
            return walk;
        if (arch_entry_table_flags(entry) & TABLE_BORROWED) {
            walk.is_borrowed = true;
            return walk;
        }
        table = paddr_to_kernel(arch_entry_address(entry));
        walk.level--;
        rest <<= TABLE_INDEX_BITS;
    }
}

/* --- page tables --- */

static bool shared_add(struct vspace *vspace, paddr table, vaddr address, unsigned level)
{
    if (vspace->shared_count == VSPACE_SHARED_MAX)
        return false;
    vspace->shared[vspace->shared_count++] = (struct shared_table){table, address | level};
    return true;
}

static void shared_drop(struct vspace *vspace, paddr table)
{
    for (uint32_t i = 0; i < vspace->shared_count; i++) {
        if (vspace->shared[i].table == table) {
            vspace->shared[i] = vspace->shared[--vspace->shared_count];
            return;
        }
    }
}

static enum error page_table_check(const struct slot *slot, struct vspace *vspace, vaddr address, unsigned level,
                                   bool is_shared)
{
    bool is_original = slot_flags(slot) & SLOT_ORIGINAL;
    word detail = cap_detail(slot->cap);
    if (detail & CAP_TABLE_MAPPED)
        return ERROR_DELETE_FIRST;
    if (level < 1 || level >= ARCH_LEVELS || address >= ARCH_USER_END)
        return ERROR_RANGE;
    /* Once shareable, always shared; a copy is good for sharing only. */
    if (!is_shared && (!is_original || (detail & CAP_TABLE_SHAREABLE)))
        return ERROR_ILLEGAL_OPERATION;
    if (is_shared && !is_original && !(detail & CAP_TABLE_SHAREABLE))
        return ERROR_ILLEGAL_OPERATION;
    /* Read as a table of another level, its pages would be tables: anybody's memory. */
    if ((detail & CAP_TABLE_SHAREABLE) && (detail & CAP_TABLE_LEVEL) != level)
        return ERROR_ILLEGAL_OPERATION;
    if (is_shared && is_original) {
        if (shared_overlaps(vspace, address, level))
            return ERROR_DELETE_FIRST;
        if (vspace->shared_count == VSPACE_SHARED_MAX)
            return ERROR_NOT_ENOUGH_MEMORY;
    }
    return ERROR_NONE;
}

enum error page_table_map(struct slot *slot, struct vspace *vspace, vaddr address, unsigned level, bool is_shared,
                          unsigned *missing)
{
    enum error error = page_table_check(slot, vspace, address, level, is_shared);
    if (error != ERROR_NONE)
        return error;
    address &= ~((1ul << level_bits(level + 1)) - 1);
    struct walk walk = vspace_walk(vspace, address, level + 1);
    bool is_original = slot_flags(slot) & SLOT_ORIGINAL;
    if (walk.is_borrowed || (is_shared && walk.is_shared))
        return ERROR_ILLEGAL_OPERATION; /* nothing is added to another's tables, and shared ones do not nest */
    if (arch_entry_is_present(*walk.entry))
        return ERROR_DELETE_FIRST;
    if (walk.level > level + 1) {
        *missing = walk.level - 1;
        return ERROR_FAILED_LOOKUP;
    }
    paddr table = kernel_to_paddr(cap_object(slot->cap));
    unsigned flags = is_shared ? TABLE_SHARED | (is_original ? 0 : TABLE_BORROWED) : 0;
    word detail =
        level | CAP_TABLE_MAPPED | (is_shared ? CAP_TABLE_SHAREABLE : 0) | (is_original ? 0 : CAP_TABLE_BORROWED);
    if (is_shared && is_original)
        (void)shared_add(vspace, table, address, level);
    arch_entry_write(walk.entry, arch_entry_make_table(table, flags));
    arch_mmu_publish();
    slot->cap = cap_set_detail(slot->cap, detail);
    slot->cap.word1 = cap_mapping(vspace->id, address);
    return ERROR_NONE;
}

/* Takes the entry that leads to the table out, if it is there. Returns whether other spaces may have seen it. */
static bool table_detach(struct vspace *vspace, paddr table, vaddr address, unsigned level)
{
    struct walk walk = vspace_walk(vspace, address, level + 1);
    if (walk.level == level + 1 && arch_entry_is_table(*walk.entry, walk.level) &&
        arch_entry_address(*walk.entry) == table)
        arch_entry_write(walk.entry, 0);
    return walk.is_shared;
}

/* Takes the entry that points to the table out of its space. `keeps_nothing`: nobody will see the table's content
 * again, so it need not be cleared. */
static void table_unmap(struct slot *slot, bool keeps_nothing)
{
    word detail = cap_detail(slot->cap);
    struct vspace *vspace = vspace_find(cap_mapping_vspace(slot->cap));
    paddr table = kernel_to_paddr(cap_object(slot->cap));
    bool is_owner = !(detail & CAP_TABLE_BORROWED), is_shared = is_owner && (detail & CAP_TABLE_SHAREABLE);
    if (vspace) {
        unsigned level = (unsigned)(detail & CAP_TABLE_LEVEL);
        if (is_shared)
            shared_drop(vspace, table);
        bool was_below_shared = table_detach(vspace, table, cap_mapping_address(slot->cap), level);
        is_shared = is_shared || was_below_shared;
    }
    if (is_owner && !keeps_nothing)
        table_clear(table);
    if (is_shared)
        arch_tlb_all();
    else if (vspace)
        arch_tlb_space(&vspace->space);
    slot->cap = cap_set_detail(slot->cap, cap_table_kept(detail));
    slot->cap.word1 = 0;
}

void page_table_unmap(struct slot *slot)
{
    if (cap_detail(slot->cap) & CAP_TABLE_MAPPED)
        table_unmap(slot, false);
}

bool page_table_release(struct core *core, struct slot *slot)
{
    (void)core;
    word detail = cap_detail(slot->cap);
    if (detail & CAP_TABLE_MAPPED)
        table_unmap(slot, !(detail & CAP_TABLE_SHAREABLE) && slot_is_final(slot));
    return true;
}

/* --- the end --- */

bool vspace_destroy(struct core *core, struct cap cap)
{
    struct vspace *vspace = vspace_of(cap), **place;
    while (vspace->shared_count > 0) {
        struct shared_table shared = vspace->shared[--vspace->shared_count];
        unsigned level = (unsigned)(shared.address_and_level & 3);
        /* Until the end others may still use the space: what is not on the list any more must not be found. */
        (void)table_detach(vspace, shared.table, shared.address_and_level - level, level);
        table_clear(shared.table);
        arch_tlb_all();
        if (preemption_wanted(core) && vspace->shared_count > 0)
            return false;
    }
    for (place = bucket_of(vspace->id); *place && *place != vspace; place = &(*place)->next)
        ;
    if (*place)
        *place = vspace->next;
    if (core->space == &vspace->space) {
        core->space = arch_space_empty();
        arch_space_switch(core, core->space);
    }
    arch_space_release(&vspace->space);
    return true;
}
