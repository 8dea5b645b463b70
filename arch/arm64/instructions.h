/* The machine instructions that C has no words for. Each is what its name says and nothing more. */
#ifndef ARM64_INSTRUCTIONS_H
#define ARM64_INSTRUCTIONS_H

#include <stdint.h>

/* A system register by its assembler name; one without a name in this assembler by S<op0>_<op1>_C<n>_C<m>_<op2>. */
#define system_read(name)                                                                                              \
    ({                                                                                                                 \
        uint64_t system_value;                                                                                         \
        __asm__ volatile("mrs %0, " #name : "=r"(system_value));                                                       \
        system_value;                                                                                                  \
    })
#define system_write(name, value) __asm__ volatile("msr " #name ", %x0" : : "rZ"((uint64_t)(value)) : "memory")

#define instruction_barrier() __asm__ volatile("isb" : : : "memory")
#define data_barrier(kind)    __asm__ volatile("dsb " #kind : : : "memory")

/* A field of an ID register: four bits from `shift` on. */
static inline unsigned id_field(uint64_t id, unsigned shift)
{
    return id >> shift & 0xf;
}

static inline uint32_t device_read_32(uint64_t address)
{
    uint32_t value;
    __asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static inline uint64_t device_read_64(uint64_t address)
{
    uint64_t value;
    __asm__ volatile("ldr %0, [%1]" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static inline void device_write_8(uint64_t address, uint8_t value)
{
    __asm__ volatile("strb %w0, [%1]" : : "r"(value), "r"(address) : "memory");
}

static inline void device_write_32(uint64_t address, uint32_t value)
{
    __asm__ volatile("str %w0, [%1]" : : "r"(value), "r"(address) : "memory");
}

static inline void device_write_64(uint64_t address, uint64_t value)
{
    __asm__ volatile("str %0, [%1]" : : "r"(value), "r"(address) : "memory");
}

#endif
