/* The arch contract, 1: addresses, constants and how kernel code reaches physical memory.
 *
 * The contract between portable and machine code is this folder: each arch_* function is declared here exactly once.
 * What must be inline or is a layout comes from the machine's own <machine/...> headers (folder
 * arch/<arch>/include/machine, the host model has one too); the comment beside the #include lists what it must define.
 */
#ifndef ARCH_TYPES_H
#define ARCH_TYPES_H

#include <abi/types.h>

/* Functions called seldom, in files that are built for speed: they are built for size, and kept away from the others.
 */
#define SELDOM __attribute__((cold))

typedef uint64_t paddr; /* a physical address, below 2^48 */
typedef uint64_t vaddr; /* an address in a user address space */

#include <machine/types.h>
/* <machine/types.h> defines:
 *
 *   ARCH_KERNEL_HIGH    bits that, or-ed to the low 48 bits of a kernel pointer, give the pointer back
 *                       (0xffff000000000000; 0 on the host)
 *   ARCH_USER_END       first address that is never mapped for user level (a multiple of PAGE_BYTES; the highest page
 *                       below the canonical hole stays out)
 *   ARCH_IRQ_COUNT      kernel interrupt numbers are 0 .. ARCH_IRQ_COUNT - 1
 *   ARCH_ELF_MACHINE    e_machine of this architecture
 *
 *   static inline void *paddr_to_kernel(paddr address)      all RAM is mapped read-write in the kernel half
 *   static inline paddr kernel_to_paddr(const void *p)      only for pointers into that mapping
 *   static inline void arch_memory_clear(void *start, size_t bytes)   both multiples of 16; fast on this machine
 */

#endif
