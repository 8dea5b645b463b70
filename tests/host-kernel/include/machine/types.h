/* Host model of a machine: physical memory is one block of the test program. What must be here: arch/types.h. */
#ifndef MACHINE_TYPES_H
#define MACHINE_TYPES_H

#include <string.h>

#define ARCH_KERNEL_HIGH 0ul
#define ARCH_USER_END    0x00007ffffffff000ul
#define ARCH_IRQ_COUNT   32
#define ARCH_ELF_MACHINE 0xfffe

#define MODEL_MEMORY_BYTES (64ul << 20)
extern char *model_memory; /* aligned to its size */

static inline void *paddr_to_kernel(paddr address)
{
    return model_memory + address;
}

static inline paddr kernel_to_paddr(const void *p)
{
    return (paddr)((const char *)p - model_memory);
}

extern bool model_tables_changed; /* translation tables were written, or may have been */

static inline void arch_memory_clear(void *start, size_t bytes)
{
    model_tables_changed = true;
    memset(start, 0, bytes);
}

#endif
