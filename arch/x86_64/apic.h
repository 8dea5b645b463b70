/* The local APIC of this core, in x2APIC mode where the CPU has it, else through its registers in memory.
 * Source: Intel SDM vol. 3, chapter 11 (registers: table 11-1; x2APIC: 11.12).
 */
#ifndef X86_64_APIC_H
#define X86_64_APIC_H

#include <stdbool.h>
#include <stdint.h>
#include "instructions.h"

enum apic_register {
    APIC_ID = 0x20,
    APIC_TASK_PRIORITY = 0x80,
    APIC_END_OF_INTERRUPT = 0xb0,
    APIC_SPURIOUS = 0xf0,
    APIC_REQUESTS = 0x200, /* the first of eight */
    APIC_ERROR_STATUS = 0x280,
    APIC_COMMAND = 0x300,
    APIC_TIMER_ENTRY = 0x320,
    APIC_THERMAL_ENTRY = 0x330,
    APIC_COUNTERS_ENTRY = 0x340,
    APIC_LINT0_ENTRY = 0x350,
    APIC_LINT1_ENTRY = 0x360,
    APIC_ERROR_ENTRY = 0x370,
    APIC_TIMER_START = 0x380,
    APIC_TIMER_NOW = 0x390,
    APIC_TIMER_DIVIDE = 0x3e0
};

#define APIC_ENTRY_MASKED       (1u << 16)
#define APIC_TIMER_TSC_DEADLINE (2u << 17)
#define APIC_DIVIDE_BY_1        0xbu
#define MSR_X2APIC              0x800u
#define MSR_TSC_DEADLINE        0x6e0u

/* Set once by irq.c: the registers' address, or NULL in x2APIC mode. */
extern volatile uint8_t *apic_registers;

static inline uint32_t apic_read(unsigned number)
{
    if (apic_registers == 0)
        return (uint32_t)msr_read(MSR_X2APIC + number / 16);
    return *(volatile uint32_t *)(apic_registers + number);
}

static inline void apic_write(unsigned number, uint32_t value)
{
    if (apic_registers == 0)
        msr_write(MSR_X2APIC + number / 16, value);
    else
        *(volatile uint32_t *)(apic_registers + number) = value;
}

#endif
