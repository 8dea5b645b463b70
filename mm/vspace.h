/* Address spaces: VSpace objects, page tables, and frames in them.
 *
 * A VSpace is two pages: the root table, which is what capabilities point to, and struct vspace. It has an id that is
 * never given to two living ones: frame and table capabilities remember where they are mapped by id and address, and a
 * VSpace that is gone is simply not found any more. So the end of a VSpace walks no tables.
 *
 * A page table's content is cleared when its (original) capability is unmapped or deleted: what lay below is out of
 * reach then, for good, although the capabilities below still say where they were mapped.
 *
 * Shareable tables (ATTRIBUTE_SHARED) can be reached from several VSpaces. The one of the original capability, the
 * owner, keeps them in a small list; walks for an address below one start there, whatever the upper tables say, so a
 * frame that may be visible elsewhere is always found and taken out. Guests' entries are marked TABLE_BORROWED and are
 * not walked through.
 */
#ifndef MM_VSPACE_H
#define MM_VSPACE_H

#include <arch/mmu.h>
#include <kernel/core.h>

#define VSPACE_SHARED_MAX 128

struct shared_table {
    paddr table;            /* 0 = free */
    word address_and_level; /* where it is mapped in the owner | its level */
};

struct vspace {
    struct arch_space space;
    struct vspace *next; /* in its bucket of kernel.vspaces */
    uint32_t id;
    uint32_t shared_count; /* entries in use are the first ones */
    struct shared_table shared[VSPACE_SHARED_MAX];
};
_Static_assert(sizeof(struct vspace) <= PAGE_BYTES, "the second page of a VSpace");

static inline struct vspace *vspace_of(struct cap cap)
{
    return (struct vspace *)((char *)cap_object(cap) + PAGE_BYTES);
}
static inline arch_entry *vspace_root(struct vspace *vspace)
{
    return (arch_entry *)((char *)vspace - PAGE_BYTES);
}

/* log2 of the bytes that one entry of a level-n table covers. */
#define TABLE_INDEX_BITS 9
static inline unsigned level_bits(unsigned level)
{
    return PAGE_BITS + TABLE_INDEX_BITS * (level - 1);
}
_Static_assert(ARCH_TABLE_ENTRIES == 1u << TABLE_INDEX_BITS, "a table's index");

void vspace_init(void *object);
bool vspace_destroy(struct core *core, struct cap cap);
struct vspace *vspace_find(uint32_t id);

/* The entry of the level-`level` table that covers `address`. */
struct walk {
    arch_entry *entry;
    unsigned level;   /* of the table that holds `entry`; > the level asked for: a table is missing below it */
    bool is_shared;   /* others may see it: invalidations must reach all spaces */
    bool is_borrowed; /* the walk ended at a table that belongs to another space */
};
struct walk vspace_walk(struct vspace *vspace, vaddr address, unsigned level);
/* The highest level at which a leaf for `address` is looked for: in or below the shareable table, if one covers it. */
unsigned vspace_leaf_limit(const struct vspace *vspace, vaddr address);
/* After present entries changed or went. */
void vspace_invalidate(struct vspace *vspace, bool is_shared);

/* --- page tables --- */

/* Maps the table in `slot`; checks everything. On ERROR_FAILED_LOOKUP *missing is the level of the missing table. */
enum error page_table_map(struct slot *slot, struct vspace *vspace, vaddr address, unsigned level, bool is_shared,
                          unsigned *missing);
/* Unmaps it, if it is mapped, and clears what belongs to this capability. */
void page_table_unmap(struct slot *slot);
/* The same for a capability that is about to be deleted. Always completes. */
bool page_table_release(struct core *core, struct slot *slot);

/* --- frames (frame.c) --- */

struct frame_request {
    vaddr address; /* of byte `first` */
    word rights, attributes;
    word first, bytes;
};
/* Maps as much as one call may do and says so in *result; on ERROR_FAILED_LOOKUP that is the level of the missing
 * table. */
enum error frame_map(struct core *core, struct slot *slot, struct vspace *vspace, const struct frame_request *request,
                     word *result);
/* Takes every mapping of this capability out. False: preempted. */
bool frame_release(struct core *core, struct slot *slot);

#endif
