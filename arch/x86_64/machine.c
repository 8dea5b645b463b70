/* Ports, caches and random numbers. Contract: arch/machine.h. */
#include <arch/machine.h>
#include "cpu.h"
#include "instructions.h"

#define CACHE_LINE   64
#define RDRAND_TRIES 10 /* Intel SDM vol. 1, 7.3.17.1 */

bool arch_has_ports(void)
{
    return true;
}

enum error arch_port_in(uint16_t port, unsigned bytes, uint32_t *value)
{
    if (bytes == 1)
        *value = port_read_8(port);
    else if (bytes == 2)
        *value = port_read_16(port);
    else
        *value = port_read_32(port);
    return ERROR_NONE;
}

enum error arch_port_out(uint16_t port, unsigned bytes, uint32_t value)
{
    if (bytes == 1)
        port_write_8(port, (uint8_t)value);
    else if (bytes == 2)
        port_write_16(port, (uint16_t)value);
    else
        port_write_32(port, value);
    return ERROR_NONE;
}

/* Devices see the caches on x86; this matters to frames that are mapped uncached after use as ordinary memory. */
void arch_cache_clean(const void *start, size_t bytes)
{
    const char *line = (const char *)((uint64_t)start & ~(uint64_t)(CACHE_LINE - 1));
    for (; line < (const char *)start + bytes; line += CACHE_LINE)
        __asm__ volatile("clflush %0" : : "m"(*line));
    __asm__ volatile("mfence" : : : "memory");
}

/* Instruction fetch is coherent with stores (SDM vol. 3, 12.6), and no thread runs on without IRET or SYSRET. */
void arch_cache_sync_code(const void *start, size_t bytes)
{
    (void)start;
    (void)bytes;
}

static bool rdrand(uint64_t *value)
{
    for (unsigned i = 0; i < RDRAND_TRIES; i++) {
        uint8_t ok;
        __asm__ volatile("rdrand %0; setc %1" : "=r"(*value), "=q"(ok));
        if (ok != 0)
            return true;
    }
    return false;
}

void arch_random(uint64_t seed[4])
{
    for (unsigned i = 0; i < 4; i++)
        if (!cpu.has_rdrand || !rdrand(&seed[i]))
            seed[i] = 0;
}
