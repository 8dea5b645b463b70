/* x86-64: translation-table entries. What must be here: arch/mmu.h.
 *
 * Source: Intel SDM vol. 3, 4.5.4 and 4.10.4 (PCID). With the PAT that cpu.c sets, PWT alone selects write-combining
 * and PCD with PWT strong uncached.
 */
#ifndef MACHINE_MMU_H
#define MACHINE_MMU_H

#include <abi/object.h>

struct core;

#define ENTRY_PRESENT       (1ul << 0)
#define ENTRY_WRITE         (1ul << 1)
#define ENTRY_USER          (1ul << 2)
#define ENTRY_WRITE_THROUGH (1ul << 3)
#define ENTRY_CACHE_DISABLE (1ul << 4)
#define ENTRY_LARGE         (1ul << 7)
#define ENTRY_GLOBAL        (1ul << 8)
#define ENTRY_SOFTWARE      9 /* two bits from here hold TABLE_SHARED and TABLE_BORROWED */
#define ENTRY_NO_EXECUTE    (1ul << 63)
#define ENTRY_ADDRESS       0x000ffffffffff000ul

/* The value for CR3: root table, PCID and, with PCIDs, the bit that keeps their translations. */
struct arch_space {
    uint64_t cr3;
};

extern bool mmu_has_1g_pages;

static inline bool arch_entry_is_present(arch_entry e)
{
    return (e & ENTRY_PRESENT) != 0;
}

static inline bool arch_entry_is_table(arch_entry e, unsigned level)
{
    return level > 1 && (e & (ENTRY_PRESENT | ENTRY_LARGE)) == ENTRY_PRESENT;
}

static inline paddr arch_entry_address(arch_entry e)
{
    return e & ENTRY_ADDRESS;
}

static inline unsigned arch_entry_table_flags(arch_entry e)
{
    return e >> ENTRY_SOFTWARE & (TABLE_SHARED | TABLE_BORROWED);
}

static inline arch_entry arch_entry_make_table(paddr table, unsigned table_flags)
{
    arch_entry write = (table_flags & TABLE_SHARED) != 0 ? 0 : ENTRY_WRITE;
    return table | ENTRY_PRESENT | ENTRY_USER | write | (arch_entry)table_flags << ENTRY_SOFTWARE;
}

static inline arch_entry arch_entry_make_leaf(paddr address, unsigned level, unsigned rights, unsigned attributes)
{
    arch_entry e = address | ENTRY_PRESENT | ENTRY_USER;
    if (level > 1)
        e |= ENTRY_LARGE;
    if ((rights & RIGHT_WRITE) != 0)
        e |= ENTRY_WRITE;
    if ((rights & RIGHT_EXEC) == 0)
        e |= ENTRY_NO_EXECUTE;
    if ((attributes & ATTRIBUTE_UNCACHED) != 0)
        e |= ENTRY_CACHE_DISABLE | ENTRY_WRITE_THROUGH;
    else if ((attributes & ATTRIBUTE_WRITE_COMBINE) != 0)
        e |= ENTRY_WRITE_THROUGH;
    return e;
}

static inline void arch_entry_write(arch_entry *slot, arch_entry e)
{
    *(volatile arch_entry *)slot = e;
}

/* x86 walkers see stores in order and do not keep absent entries (SDM 4.10.2.3). */
static inline void arch_mmu_publish(void)
{
    __asm__ volatile("" : : : "memory");
}

static inline bool arch_mmu_has_leaf(unsigned level)
{
    return level <= 2 || (level == 3 && mmu_has_1g_pages);
}

static inline void arch_space_switch(struct core *core, struct arch_space *space)
{
    (void)core;
    __asm__ volatile("mov %0, %%cr3" : : "r"(space->cr3) : "memory");
}

#endif
