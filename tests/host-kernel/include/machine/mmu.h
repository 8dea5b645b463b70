/* Host model: translation tables as plain arrays.
 *
 * Entry: bit 0 present, 1 table, 2..3 TABLE_*, 4..8 rights, 9..10 attributes, 12..47 address.
 */
#ifndef MACHINE_MMU_H
#define MACHINE_MMU_H

#include <abi/object.h>

#define MODEL_ENTRY_PRESENT 1ul
#define MODEL_ENTRY_TABLE   2ul
#define MODEL_ENTRY_ADDRESS 0x0000fffffffff000ul

struct arch_space {
    word is_live, releases;
};

extern struct arch_space *model_space; /* loaded */
extern bool model_has_1g;
extern unsigned model_publishes, model_tlb_pages, model_tlb_spaces, model_tlb_alls;

static inline bool arch_entry_is_present(arch_entry e)
{
    return e & MODEL_ENTRY_PRESENT;
}
static inline bool arch_entry_is_table(arch_entry e, unsigned level)
{
    return level > 1 && (e & MODEL_ENTRY_PRESENT) && (e & MODEL_ENTRY_TABLE);
}
static inline paddr arch_entry_address(arch_entry e)
{
    return e & MODEL_ENTRY_ADDRESS;
}
static inline unsigned arch_entry_table_flags(arch_entry e)
{
    return (unsigned)(e >> 2 & 3);
}
static inline arch_entry arch_entry_make_table(paddr table, unsigned table_flags)
{
    return table | MODEL_ENTRY_PRESENT | MODEL_ENTRY_TABLE | (arch_entry)table_flags << 2;
}
static inline arch_entry arch_entry_make_leaf(paddr address, unsigned level, unsigned rights, unsigned attributes)
{
    (void)level;
    return address | MODEL_ENTRY_PRESENT | (arch_entry)rights << 4 | (arch_entry)attributes << 9;
}
static inline void arch_entry_write(arch_entry *slot, arch_entry e)
{
    model_tables_changed = true;
    *slot = e;
}
static inline void arch_mmu_publish(void)
{
    model_publishes++;
}
static inline bool arch_mmu_has_leaf(unsigned level)
{
    return level <= 2 || (level == 3 && model_has_1g);
}
static inline void arch_space_switch(struct core *core, struct arch_space *space)
{
    (void)core;
    model_space = space;
}

#endif
