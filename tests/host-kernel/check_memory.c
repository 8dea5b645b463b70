/* Invariants of memory, verified after every entry into the kernel.
 *
 *   - objects overlap with nothing but the untypeds that they were made of, directly or not
 *   - what address spaces show is memory of frames whose capabilities are mapped there, with no more rights; so no
 *     kernel object can be reached
 *   - page tables in use are living page-table objects, or the root task's first ones
 *   - no stale translation: a model of the TLB holds all that tables said since the kernel asked for it to be dropped
 */
#include "check.h"

#include <arch/mmu.h>
#include <kernel/object.h>
#include <mm/vspace.h>

#define OBJECTS_MAX      65536
#define TRANSLATIONS_MAX 65536

/* --- overlap --- */

static int by_place(const void *a, const void *b)
{
    const struct object *first = &objects[*(const unsigned *)a], *second = &objects[*(const unsigned *)b];
    if (first->start != second->start)
        return first->start < second->start ? -1 : 1;
    if (first->end != second->end)
        return first->end > second->end ? -1 : 1;
    return (cap_type(object_cap(second)) == OBJECT_UNTYPED) - (cap_type(object_cap(first)) == OBJECT_UNTYPED);
}

void check_extents(void)
{
    static unsigned order[OBJECTS_MAX], around[OBJECTS_MAX];
    unsigned count = 0, depth = 0;
    for (unsigned i = 0; i < object_count; i++)
        if (objects[i].has_extent)
            order[count++] = i;
    qsort(order, count, sizeof(order[0]), by_place);
    for (unsigned i = 0; i < count; i++) {
        const struct object *object = &objects[order[i]];
        while (depth > 0 && objects[around[depth - 1]].end <= object->start)
            depth--;
        if (depth > 0) {
            const struct object *outer = &objects[around[depth - 1]];
            CHECK(cap_type(object_cap(outer)) == OBJECT_UNTYPED && object->end <= outer->end);
            EQUAL(object->parent, around[depth - 1]);
        } else {
            EQUAL(object->parent, -1);
        }
        around[depth++] = order[i];
    }
}

/* --- translations --- */

/* An entry of a table as a TLB or a walk cache has it. */
struct translation {
    const struct arch_space *space;
    vaddr address;
    unsigned level;
    arch_entry entry;
};

static struct translation cached[TRANSLATIONS_MAX];
static unsigned cached_count;
static word frames_seen; /* a sum over the capabilities of mapped frames and tables */

static void translation_add(const struct arch_space *space, vaddr address, unsigned level, arch_entry entry)
{
    CHECK(cached_count < TRANSLATIONS_MAX);
    cached[cached_count++] = (struct translation){space, address, level, entry};
}

static arch_entry *entry_of(struct vspace *vspace, vaddr address, unsigned level)
{
    arch_entry *table = vspace_root(vspace);
    for (unsigned at = ARCH_LEVELS;; at--) {
        arch_entry *entry = &table[address >> level_bits(at) & (ARCH_TABLE_ENTRIES - 1)];
        if (at == level)
            return entry;
        if (!arch_entry_is_table(*entry, at))
            return NULL;
        table = paddr_to_kernel(arch_entry_address(*entry));
    }
}

static unsigned rights_of(arch_entry entry)
{
    return (unsigned)(entry >> 4) & RIGHT_ALL;
}

static bool is_stale(const struct translation *t)
{
    struct vspace *vspace = (struct vspace *)t->space; /* its first member */
    const arch_entry *now = entry_of(vspace, t->address, t->level);
    if (!now || !arch_entry_is_present(*now) || arch_entry_address(*now) != arch_entry_address(t->entry) ||
        arch_entry_is_table(*now, t->level) != arch_entry_is_table(t->entry, t->level))
        return true;
    return !arch_entry_is_table(*now, t->level) && (rights_of(t->entry) & ~rights_of(*now)) != 0;
}
_Static_assert(offsetof(struct vspace, space) == 0, "is_stale relies on it");

/* --- what may be seen --- */

/* Memory that was the root task's from the beginning has no capability of its own. */
static bool is_from_boot(paddr address)
{
    for (unsigned i = 0; i < object_count; i++) {
        struct cap cap = object_cap(&objects[i]);
        if (cap_type(cap) == OBJECT_UNTYPED && cap_untyped_kind(cap) == BOOT_UNTYPED_MEMORY &&
            address >= objects[i].start && address < objects[i].end)
            return false;
    }
    return true;
}

struct view {
    struct vspace *vspace;
    bool is_borrowed, is_shared; /* below a table of another space, below a shareable one */
};

static bool frame_allows(struct cap cap, const struct view *view, vaddr address, unsigned level, arch_entry entry)
{
    word size = 1ul << cap_frame_size_bits(cap), offset = arch_entry_address(entry) - cap_frame_address(cap);
    if (cap_type(cap) != OBJECT_FRAME || !cap_frame_is_mapped(cap) || offset >= size ||
        1ul << level_bits(level) > size - offset || (rights_of(entry) & ~cap_frame_rights(cap)))
        return false;
    return view->is_borrowed || (cap_mapping_vspace(cap) == view->vspace->id &&
                                 cap_mapping_address(cap) == ((address - offset) & ((1ul << CAP_MAPPING_BITS) - 1)));
}

static bool leaf_is_allowed(const struct view *view, vaddr address, unsigned level, arch_entry entry)
{
    for (unsigned i = 0; i < object_count; i++)
        for (unsigned j = 0; j < objects[i].count; j++)
            if (frame_allows(objects[i].slots[j]->cap, view, address, level, entry))
                return true;
    return is_from_boot(arch_entry_address(entry));
}

static bool table_is_allowed(const struct view *view, vaddr address, unsigned level, arch_entry entry)
{
    const struct object *table = object_at(arch_entry_address(entry));
    if (!table)
        return is_from_boot(arch_entry_address(entry));
    for (unsigned i = 0; i < table->count; i++) {
        struct cap cap = table->slots[i]->cap;
        word detail = cap_detail(cap);
        if (cap_type(cap) == OBJECT_PAGE_TABLE && (detail & CAP_TABLE_MAPPED) && (detail & CAP_TABLE_LEVEL) == level &&
            (view->is_borrowed || (cap_mapping_vspace(cap) == view->vspace->id && cap_mapping_address(cap) == address)))
            return true;
    }
    return false;
}

static void check_table(struct view view, const arch_entry *table, unsigned level, vaddr base)
{
    for (unsigned i = 0; i < ARCH_TABLE_ENTRIES; i++) {
        arch_entry e = table[i];
        vaddr address = base + ((vaddr)i << level_bits(level));
        if (!arch_entry_is_present(e))
            continue;
        translation_add(&view.vspace->space, address, level, e);
        if (arch_entry_is_table(e, level)) {
            unsigned flags = arch_entry_table_flags(e);
            struct view below = {view.vspace, view.is_borrowed || (flags & TABLE_BORROWED),
                                 view.is_shared || (flags & TABLE_SHARED)};
            CHECK(table_is_allowed(&view, address, level - 1, e));
            check_table(below, paddr_to_kernel(arch_entry_address(e)), level - 1, address);
        } else {
            CHECK(leaf_is_allowed(&view, address, level, e));
        }
    }
}

/* --- --- */

static word frames_sum(void)
{
    word sum = 0;
    for (unsigned i = 0; i < object_count; i++) {
        enum object_type type = cap_type(object_cap(&objects[i]));
        for (unsigned j = 0; j < objects[i].count && (type == OBJECT_FRAME || type == OBJECT_PAGE_TABLE); j++)
            sum = sum * 31 + (objects[i].slots[j]->cap.word0 ^ objects[i].slots[j]->cap.word1);
    }
    return sum;
}

void check_spaces(void)
{
    word frames = frames_sum();
    if (!model_tables_changed && frames == frames_seen)
        return;
    model_tables_changed = false;
    frames_seen = frames;
    for (unsigned i = 0; i < cached_count; i++)
        CHECK(!is_stale(&cached[i]));
    cached_count = 0;
    for (unsigned b = 0; b < KERNEL_VSPACE_BUCKETS; b++)
        for (struct vspace *vspace = kernel.vspaces[b]; vspace; vspace = vspace->next) {
            CHECK(vspace->space.is_live && vspace_find(vspace->id) == vspace);
            CHECK(object_is_live(vspace_root(vspace), OBJECT_VSPACE));
            check_table((struct view){vspace, false, false}, vspace_root(vspace), ARCH_LEVELS, 0);
        }
}

void check_spaces_reset(void)
{
    cached_count = 0;
    model_tables_changed = true;
}

/* --- the TLB --- */

/* Drops what matches; but the CPU may read the tables again at once, so what they say now is back. A kernel that
 * invalidates before it changes the entry is found by this. */
static void tlb_drop(const struct arch_space *space, bool is_page, vaddr address)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < cached_count; i++) {
        const struct translation t = cached[i];
        bool is_here = !space || t.space == space;
        if (is_here && is_page)
            is_here = !arch_entry_is_table(t.entry, t.level) && (address ^ t.address) >> level_bits(t.level) == 0;
        if (is_here && is_stale(&t))
            continue;
        cached[kept++] = t;
    }
    cached_count = kept;
}

void check_tlb_page(const struct arch_space *space, vaddr address)
{
    tlb_drop(space, true, address);
}
void check_tlb_space(const struct arch_space *space)
{
    tlb_drop(space, false, 0);
}
void check_tlb_all(void)
{
    tlb_drop(NULL, false, 0);
}
void check_tlb_release(const struct arch_space *space)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < cached_count; i++)
        if (cached[i].space != space)
            cached[kept++] = cached[i];
    cached_count = kept;
}
