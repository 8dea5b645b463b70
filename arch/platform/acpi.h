/* ACPI static tables (RSDP, XSDT or RSDT, MADT, FADT, MCFG, HPET, SPCR, GTDT) for both architectures.
 *
 * Portable C without allocation: the caller gives a way to look at physical memory and receives one plain record.
 * Firmware memory is not trusted: each length is checked before use and each table's checksum must hold. A damaged
 * table is left out and named in the record; only a damaged root (RSDP, XSDT/RSDT) makes acpi_read fail. AML is never
 * run. Source: ACPI Specification 6.5, chapter 5; SPCR: Microsoft "Serial Port Console Redirection Table"; MCFG: PCI
 * Firmware Specification 3.3, 4.1.2; HPET: IA-PC HPET Specification 1.0a, 3.2.4.
 */
#ifndef PLATFORM_ACPI_H
#define PLATFORM_ACPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Physical memory as the boot code can see it: `bytes` bytes at `address` in one piece, or NULL. */
struct acpi_memory {
    const void *(*look)(void *context, uint64_t address, size_t bytes);
    void *context;
};

#define ACPI_CORES          64
#define ACPI_IO_APICS       8
#define ACPI_ISA_INTERRUPTS 16
#define ACPI_GIC_REGIONS    4

/* A register named by a Generic Address Structure (5.2.3.2). `bits` = 0: absent. */
enum acpi_space { ACPI_SPACE_MEMORY = 0, ACPI_SPACE_PORT = 1 };
struct acpi_register {
    uint64_t address;
    uint8_t space; /* enum acpi_space */
    uint8_t bits;
    uint8_t access_bytes; /* 0 = not stated */
};

/* Where an ISA interrupt arrives (identity, edge, active high unless overridden). */
struct acpi_isa_interrupt {
    uint32_t global;
    bool is_level, is_low;
};

struct acpi_io_apic {
    uint32_t first_interrupt;
    uint64_t address;
};

struct acpi_gic_region {
    uint64_t address;
    uint64_t bytes;
};

/* SPCR 'interface type' values that we know (Microsoft DBG2 table, serial subtypes). */
enum acpi_console {
    ACPI_CONSOLE_16550 = 0x00,
    ACPI_CONSOLE_16450 = 0x01,
    ACPI_CONSOLE_PL011 = 0x03,
    ACPI_CONSOLE_SBSA = 0x0e,
    ACPI_CONSOLE_16550_GAS = 0x12,
    ACPI_CONSOLE_NONE = 0xff
};

struct acpi_timer_interrupt {
    uint32_t interrupt; /* INTID, 0 = absent */
    bool is_edge, is_low;
};

struct acpi_machine {
    /* MADT, both: `id` is the local APIC ID or the MPIDR, enabled cores only, at most ACPI_CORES are listed. */
    uint32_t core_count;
    uint64_t core_id[ACPI_CORES];

    /* MADT, x86 */
    bool has_madt, has_legacy_pic;
    uint64_t local_apic_address;
    uint32_t io_apic_count;
    struct acpi_io_apic io_apic[ACPI_IO_APICS];
    struct acpi_isa_interrupt isa[ACPI_ISA_INTERRUPTS];

    /* MADT, arm64. gic_version 0 = the table does not say. */
    uint8_t gic_version;
    uint64_t gic_distributor;           /* 0 = absent */
    uint64_t gic_cpu_interface;         /* GICC of the first core, 0 = absent */
    uint64_t gic_redistributor_of_core; /* GICR of the first core where the GICC entries carry them, else 0 */
    uint32_t gic_redistributor_count;
    struct acpi_gic_region gic_redistributor[ACPI_GIC_REGIONS];
    uint64_t gic_msi_frame; /* GICv2m */
    uint32_t gic_msi_first, gic_msi_count;
    uint64_t gic_its; /* first ITS */

    /* MCFG: segment 0. ecam_address is that of bus 0 even if first_bus is not 0. */
    uint64_t ecam_address;
    uint8_t ecam_first_bus, ecam_last_bus;

    /* FADT */
    bool has_fadt, is_hardware_reduced;
    uint16_t boot_flags_x86, boot_flags_arm; /* arm: bit 0 PSCI, bit 1 PSCI by HVC */
    bool has_reset;
    struct acpi_register reset, pm_timer, pm1a_control, sleep_control;
    uint8_t reset_value;
    bool is_pm_timer_32_bits;

    struct acpi_register hpet; /* HPET */

    /* SPCR */
    uint8_t console_kind; /* enum acpi_console or another value of the specification */
    struct acpi_register console;
    uint32_t console_interrupt; /* global interrupt or INTID; 0 = none */
    uint32_t console_clock_hz;  /* 0 = not stated */

    /* GTDT */
    struct acpi_timer_interrupt timer_secure, timer_nonsecure, timer_virtual, timer_hypervisor;

    /* The first damaged thing: its signature and what is wrong; problem = NULL when all was well. */
    char problem_table[5];
    const char *problem;
};

/* Fills `machine` from the root pointer at `rsdp`. False, with `problem` set, when the root is unusable. */
bool acpi_read(struct acpi_machine *machine, const struct acpi_memory *memory, uint64_t rsdp);

/* Looks for the root pointer in a range (BIOS: 0xe0000..0xfffff, 5.2.5.1): its address, or 0. */
uint64_t acpi_find_root(const struct acpi_memory *memory, uint64_t first, uint64_t bytes);

#endif
