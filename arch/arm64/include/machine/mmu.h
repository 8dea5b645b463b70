/* arm64: translation-table entries. What must be here: arch/mmu.h.
 *
 * Source: Arm ARM DDI 0487, D8.3 (descriptors), D8.14 (TLB maintenance). Table descriptors carry the portable flags in
 * bits 55 and 56, which the walker ignores; TABLE_SHARED also sets APTable[1], which denies writing below.
 */
#ifndef MACHINE_MMU_H
#define MACHINE_MMU_H

#include <abi/object.h>

#define ENTRY_KIND           3ul
#define ENTRY_SOFTWARE       55
#define ENTRY_TABLE_READONLY (1ul << 62) /* APTable[1] */
#define ENTRY_TABLE_PXN      (1ul << 59) /* PXNTable: nothing below is ever executed by the kernel */
#define ENTRY_ADDRESS        0x0000fffffffff000ul
#define ENTRY_PXN            (1ul << ENTRY_PXN_BIT)
#define ENTRY_UXN            (1ul << ENTRY_UXN_BIT)

/* TTBR0_EL1: root table and ASID. Bit 0 (CnP, not used otherwise) marks a space that got no ASID of its own: see
 * mmu.c. */
#define TTBR_ASID_SHIFT 48
#define TTBR_SHARED     1ul
struct arch_space {
    uint64_t ttbr;
};

static inline bool arch_entry_is_present(arch_entry e)
{
    return (e & ENTRY_VALID) != 0;
}

static inline bool arch_entry_is_table(arch_entry e, unsigned level)
{
    return level > 1 && (e & ENTRY_KIND) == ENTRY_KIND;
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
    arch_entry e = table | ENTRY_KIND | ENTRY_TABLE_PXN | (arch_entry)table_flags << ENTRY_SOFTWARE;
    return (table_flags & TABLE_SHARED) != 0 ? e | ENTRY_TABLE_READONLY : e;
}

static inline arch_entry arch_entry_make_leaf(paddr address, unsigned level, unsigned rights, unsigned attributes)
{
    arch_entry e = address | ENTRY_VALID | ENTRY_USER | ENTRY_ACCESSED | ENTRY_NOT_GLOBAL | ENTRY_PXN;
    if (level == 1)
        e |= ENTRY_TABLE_OR_PAGE;
    if ((rights & RIGHT_WRITE) == 0)
        e |= ENTRY_READ_ONLY;
    if ((rights & RIGHT_EXEC) == 0)
        e |= ENTRY_UXN;
    if ((attributes & ATTRIBUTE_UNCACHED) != 0)
        return e | MEMORY_DEVICE << ENTRY_ATTRIBUTE;
    if ((attributes & ATTRIBUTE_WRITE_COMBINE) != 0)
        return e | ENTRY_INNER_SHARED | MEMORY_UNCACHED << ENTRY_ATTRIBUTE;
    return e | ENTRY_INNER_SHARED | MEMORY_NORMAL << ENTRY_ATTRIBUTE;
}

static inline void arch_entry_write(arch_entry *slot, arch_entry e)
{
    *(volatile arch_entry *)slot = e;
}

/* The walker sees the entries after this; the exception return that follows keeps the order for the instructions. */
static inline void arch_mmu_publish(void)
{
    __asm__ volatile("dsb ishst" : : : "memory");
}

static inline bool arch_mmu_has_leaf(unsigned level)
{
    return level <= 3;
}

/* Loads a space that shares its ASID with others: what they left in the TLB goes first. */
void mmu_switch_shared(uint64_t ttbr);

/* No ISB: the kernel itself uses no address of the user half, and the exception return synchronises. */
static inline void arch_space_switch(struct core *core, struct arch_space *space)
{
    (void)core;
    uint64_t ttbr = space->ttbr;
    if (__builtin_expect((ttbr & TTBR_SHARED) != 0, 0)) {
        mmu_switch_shared(ttbr);
        return;
    }
    __asm__ volatile("msr ttbr0_el1, %0" : : "r"(ttbr) : "memory");
}

#endif
