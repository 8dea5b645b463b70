/* arm64: constants, and kernel pointers to physical memory. What must be here: arch/types.h. */
#ifndef MACHINE_TYPES_H
#define MACHINE_TYPES_H

#include <arch/arm64/layout.h>

#define ARCH_KERNEL_HIGH 0xffff000000000000ul
#define ARCH_USER_END    0x0000fffffffff000ul
#define ARCH_IRQ_COUNT   1020 /* kernel interrupt numbers are INTIDs: SGIs, PPIs and SPIs of a GIC */
#define ARCH_ELF_MACHINE 183  /* EM_AARCH64 */

static inline void *paddr_to_kernel(paddr address)
{
    return (void *)(address + DIRECT_BASE);
}

static inline paddr kernel_to_paddr(const void *p)
{
    return (paddr)p - DIRECT_BASE;
}

/* DC ZVA where a whole block is to be cleared, store pairs for the rest: memory.S. */
void arch_memory_clear(void *start, size_t bytes);

#endif
