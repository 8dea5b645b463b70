/* x86-64: constants, and kernel pointers to physical memory. What must be here: arch/types.h. */
#ifndef MACHINE_TYPES_H
#define MACHINE_TYPES_H

#include <arch/x86_64/layout.h>

#define ARCH_KERNEL_HIGH 0xffff000000000000ul
#define ARCH_USER_END    0x00007ffffffff000ul /* SYSRET to the highest page's end would fault in kernel mode */
#define ARCH_IRQ_COUNT   208                  /* irq.c: 96 lines of I/O APICs, 112 MSIs */
#define ARCH_ELF_MACHINE 62                   /* EM_X86_64 */

static inline void *paddr_to_kernel(paddr address)
{
    return (void *)(address + DIRECT_BASE);
}

static inline paddr kernel_to_paddr(const void *p)
{
    return (paddr)p - DIRECT_BASE;
}

/* REP STOSQ: fast microcode on real CPUs; the emulator's counter sees one instruction for each eight bytes. */
static inline void arch_memory_clear(void *start, size_t bytes)
{
    size_t words = bytes / 8;
    __asm__ volatile("rep stosq" : "+D"(start), "+c"(words) : "a"(0) : "memory");
}

#endif
