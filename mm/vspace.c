/* VSpaces, page tables and the walk. See vspace.h. */
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

static void table_clear(paddr table)
{
    arch_entry *entries = paddr_to_kernel(table);
    for (unsigned i = 0; i < ARCH_TABLE_ENTRIES; i++)
        arch_entry_write(&entries[i], 0);
}

bool vspace_destroy(struct core *core, struct cap cap)
{
    struct vspace *vspace = vspace_of(cap), **place;
    while (vspace->shared_count > 0) {
        table_clear(vspace->shared[--vspace->shared_count].table);
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

void vspace_invalidate(struct vspace *vspace, bool is_shared)
{
    if (is_shared)
        arch_tlb_all();
    else
        arch_tlb_space(&vspace->space);
}

/* --- the walk --- */

static unsigned entry_index(vaddr address, unsigned level)
{
    return (unsigned)(address >> level_bits(level)) % ARCH_TABLE_ENTRIES;
}

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

struct walk vspace_walk(struct vspace *vspace, vaddr address, unsigned level)
{
    struct walk walk = {.level = ARCH_LEVELS};
    arch_entry *table = vspace_root(vspace);
    if (vspace->shared_count > 0) {
        const struct shared_table *shared = shared_find(vspace, address);
        unsigned shared_level = shared ? (unsigned)(shared->address_and_level & 3) : 0;
        if (shared_level >= level) {
            table = paddr_to_kernel(shared->table);
            walk.level = shared_level;
            walk.is_shared = true;
        }
    }
    for (;;) {
        walk.entry = &table[entry_index(address, walk.level)];
        if (walk.level == level || !arch_entry_is_table(*walk.entry, walk.level))
            return walk;
        if (arch_entry_table_flags(*walk.entry) & TABLE_BORROWED) {
            walk.is_borrowed = true;
            return walk;
        }
        table = paddr_to_kernel(arch_entry_address(*walk.entry));
        walk.level--;
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
    if (is_shared && is_original) {
        if (shared_find(vspace, address))
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

bool page_table_release(struct core *core, struct slot *slot)
{
    (void)core;
    word detail = cap_detail(slot->cap);
    if (!(detail & CAP_TABLE_MAPPED))
        return true;
    struct vspace *vspace = vspace_find(cap_mapping_vspace(slot->cap));
    paddr table = kernel_to_paddr(cap_object(slot->cap));
    bool is_owner = !(detail & CAP_TABLE_BORROWED), is_shared = detail & CAP_TABLE_SHAREABLE;
    if (vspace) {
        unsigned level = (unsigned)(detail & CAP_TABLE_LEVEL);
        if (is_owner && is_shared)
            shared_drop(vspace, table);
        struct walk walk = vspace_walk(vspace, cap_mapping_address(slot->cap), level + 1);
        if (walk.level == level + 1 && arch_entry_is_table(*walk.entry, walk.level) &&
            arch_entry_address(*walk.entry) == table)
            arch_entry_write(walk.entry, 0);
        is_shared = is_shared || walk.is_shared;
    }
    if (is_owner)
        table_clear(table);
    if (is_owner && is_shared)
        arch_tlb_all();
    else if (vspace)
        vspace_invalidate(vspace, is_shared && is_owner);
    slot->cap = cap_set_detail(slot->cap, detail & CAP_TABLE_SHAREABLE);
    slot->cap.word1 = 0;
    return true;
}
