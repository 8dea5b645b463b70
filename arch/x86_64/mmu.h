/* What the rest of arch/x86_64 asks of mmu.c beyond the contract in arch/mmu.h. */
#ifndef X86_64_MMU_H
#define X86_64_MMU_H

#include <arch/platform.h>

/* While booting, before mmu_start: `bytes` bytes of physical memory below 4 GiB, or NULL when they lie elsewhere. */
const void *boot_look(void *context, uint64_t address, size_t bytes);

/* The page of device registers at physical `address`, uncached, writable: the virtual address of `address`, or 0 when
 * the window is full. The registers must not cross a page. */
uint64_t device_map(uint64_t address);

/* Replaces the boot page tables by the final ones (docs/x86_64.md). Cuts RAM that the direct map cannot reach, takes a
 * few pages of RAM for tables and notes them as reserved. The loader's structures cannot be seen any more afterwards.
 */
void mmu_start(struct platform *platform);

#endif
