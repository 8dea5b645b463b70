/* The arch contract, 4: translation tables, address-space switch, TLB.
 *
 * Portable code (mm/vspace.c) walks the tables: both machines have four levels of 512 entries of eight bytes. The root
 * is level 4; an entry of a level-n table covers 2^(12 + 9 (n - 1)) bytes; leaves are level 1, 2 and, where
 * arch_mmu_has_leaf says so, 3. A VSpace object is two pages: the root table and, in the second, struct vspace with a
 * struct arch_space in it. Only user-half entries (below ARCH_USER_END) are ever touched by portable code.
 *
 * An entry is written with arch_entry_write, then the change is made visible with a named TLB operation (when a present
 * entry changed or went) or with arch_mmu_publish (when an empty entry was filled). Those are also the places where
 * other cores will be told.
 */
#ifndef ARCH_MMU_H
#define ARCH_MMU_H

#include <arch/types.h>

typedef uint64_t arch_entry;

#define ARCH_LEVELS        4
#define ARCH_TABLE_ENTRIES 512

/* Attributes of a table entry (level 2..4, pointing to a table). Kept in software bits of the entry. */
#define TABLE_SHARED   (1u << 0) /* its subtree may be reached from other spaces too; the entry also denies writing */
#define TABLE_BORROWED (1u << 1) /* this space is a guest in it: portable code does not change what lies below */

struct core;

#include <machine/mmu.h>
/* <machine/mmu.h> defines:
 *
 *   struct arch_space     what the CPU needs for one address space: root register value with ASID/PCID, ...; at most 64
 *                         bytes; zeroed memory when the object is made
 *
 *   static inline bool arch_entry_is_present(arch_entry e)
 *   static inline bool arch_entry_is_table(arch_entry e, unsigned level)   present and points to a table
 *   static inline paddr arch_entry_address(arch_entry e)
 *   static inline unsigned arch_entry_table_flags(arch_entry e)            TABLE_* of a table entry
 *   static inline arch_entry arch_entry_make_table(paddr table, unsigned table_flags)
 *   static inline arch_entry arch_entry_make_leaf(paddr address, unsigned level, unsigned rights, unsigned attributes)
 *       user entry. rights: RIGHT_READ, RIGHT_WRITE, RIGHT_EXEC (0 is never asked for; write and exec together are
 *       refused above); attributes: ATTRIBUTE_UNCACHED, ATTRIBUTE_WRITE_COMBINE, else normal write-back memory.
 *       The address is only or-ed in: that of 0 or-ed with an address makes the entry for that address.
 *       x86-64: no NX bit only with RIGHT_EXEC. arm64: UXN likewise, PXN always.
 *   static inline void arch_entry_write(arch_entry *slot, arch_entry e)    0 clears
 *   static inline void arch_mmu_publish(void)      new entries are seen by the table walker after this (dsb ishst)
 *   static inline bool arch_mmu_has_leaf(unsigned level)
 *
 *   static inline void arch_space_switch(struct core *core, struct arch_space *space)
 *       the IPC path: loads the space. Called only when the space differs from the loaded one.
 */

/* `root` is a zeroed page (kernel address) about to become a root table: enters the kernel half where the machine keeps
 * it in the same root (x86-64) and fills `space` (allocating an ASID). */
void arch_space_init(struct arch_space *space, arch_entry *root);
/* The space will never be loaded again and is not loaded now: its ASID is free, its translations are gone. */
void arch_space_release(struct arch_space *space);
/* A space with an empty user half, for idling and for threads without VSpace. Static. */
struct arch_space *arch_space_empty(void);

/* TLB operations; complete (on every core) when they return. */
void arch_tlb_page(struct arch_space *space, vaddr address); /* one leaf of any size that contained `address` */
void arch_tlb_space(struct arch_space *space);               /* all of one space, and walk caches */
void arch_tlb_all(void);                                     /* all user spaces */

#endif
