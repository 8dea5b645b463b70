/* The kernel half of the address space, and what the rest of arch/arm64 asks of mmu.c. */
#ifndef ARM64_MMU_H
#define ARM64_MMU_H

#include <arch/types.h>

/* While booting, before the memory map is known: maps the 2 MiB blocks that hold these bytes as ordinary memory, as the
 * boot protocol allows for the device tree. */
void direct_map_blocks(paddr start, uint64_t bytes);

/* Adds RAM to the direct map, by pages, with the largest blocks that fit; the kernel's image is left out. What is
 * mapped already stays. False when the tables that are set aside for this are used up. */
bool direct_map(paddr start, paddr end);

/* Are these bytes in the direct map? */
bool is_direct_mapped(paddr start, uint64_t bytes);

/* Maps the pages of device registers: the virtual address of `address`; stops the machine when the window is full. */
uint64_t device_map(paddr address, uint64_t bytes);

/* The image's place; boot_main tells it. */
void mmu_start(paddr image);
paddr image_start_address(void);
paddr image_end_address(void);

/* Switches TTBR0 on, with the empty space loaded: the last use of the boot mappings is over. */
void mmu_user_on(void);

#endif
