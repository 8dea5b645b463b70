/* The platform record of a PC. Contract: arch/platform.h.
 *
 * What user level may have as device memory is what no memory map line speaks of: the hole between the end of low
 * memory and the I/O APICs, and everything above high memory, which is where PCI devices lie. The local APIC's and the
 * I/O APICs' pages are in neither.
 */
#include <abi/object.h>
#include <arch/machine.h>
#include <arch/upcalls.h>
#include "platform.h"
#include "instructions.h"
#include "layout.h"

#define LOW_MEMORY_FIRST 0x1000ul     /* page 0: the BIOS's vectors; and no object has physical address 0 */
#define PCI_HOLE_END     0xfec00000ul /* I/O APICs, HPET, local APICs, firmware */
#define GIB              (1ul << 30)
#define COM1_PORT        0x3f8
#define COM1_INTERRUPT   4
#define COM1_CLOCK_HZ    1843200
#define Q35_HOST_BRIDGE  0x29c08086u /* vendor and device of 00:00.0 */

extern const uint8_t kernel_end[], boot_only_end[];

/* ---- memory ---- */

static struct range region_range(const struct loader_region *region)
{
    return (struct range){region->address, region->address + region->bytes};
}

/* Inserts in order of addresses, joined with the neighbour below when they touch. */
static void ram_insert(struct ranges *ram, struct range range)
{
    unsigned at = ram->count;
    while (at > 0 && ram->range[at - 1].start > range.start)
        at--;
    if (at > 0 && ram->range[at - 1].end >= range.start) {
        if (range.end > ram->range[at - 1].end)
            ram->range[at - 1].end = range.end;
        return;
    }
    if (ram->count == PLATFORM_RANGES)
        return;
    for (unsigned i = ram->count++; i > at; i--)
        ram->range[i] = ram->range[i - 1];
    ram->range[at] = range;
}

static void ram_fill(struct platform *platform, const struct loader_info *loader)
{
    for (unsigned i = 0; i < loader->region_count; i++) {
        struct range range = region_range(&loader->region[i]);
        if (range.start < LOW_MEMORY_FIRST)
            range.start = LOW_MEMORY_FIRST;
        if (loader->region[i].is_usable && range.start < range.end)
            ram_insert(&platform->ram, range);
    }
    if (platform->ram.count == 0)
        kernel_stop("the loader's memory map has no usable memory");
}

/* Firmware's own lines win where they overlap usable ones. */
static void reserved_fill(struct platform *platform, const struct loader_info *loader)
{
    ranges_add(&platform->reserved, KERNEL_PHYSICAL, (paddr)kernel_end - KERNEL_OFFSET);
    if (loader->is_rsdp_a_copy)
        ranges_add(&platform->reserved, loader->rsdp, loader->rsdp + 64);
    for (unsigned i = 0; i < loader->region_count; i++) {
        struct range range = region_range(&loader->region[i]);
        bool overlaps = false;
        for (unsigned j = 0; j < platform->ram.count; j++)
            overlaps |= range.start < platform->ram.range[j].end && platform->ram.range[j].start < range.end;
        if (!loader->region[i].is_usable && overlaps && !ranges_add(&platform->reserved, range.start, range.end))
            kernel_stop("the loader's memory map has more overlapping lines than the kernel has room for");
    }
}

static void archive_fill(struct platform *platform, const struct loader_info *loader)
{
    struct range archive = {loader->archive_address, loader->archive_address + loader->archive_bytes};
    if (loader->archive_bytes == 0)
        return;
    for (unsigned i = 0; i < platform->ram.count; i++) {
        const struct range *ram = &platform->ram.range[i];
        if (ram->start <= archive.start && archive.start < archive.end && archive.end <= ram->end) {
            platform->archive = archive;
            return;
        }
    }
    kernel_stop("the archive (%lu bytes at %lx) does not lie in usable memory", loader->archive_bytes,
                loader->archive_address);
}

/* ---- devices ---- */

static paddr ecam_bytes(const struct acpi_machine *machine)
{
    return machine->ecam_address == 0 ? 0 : (machine->ecam_last_bus + 1ul) << 20;
}

/* Where the last memory-map line ends that is neither the ECAM's nor firmware's below 4 GiB. */
static paddr low_memory_end(const struct loader_info *loader, const struct acpi_machine *machine)
{
    paddr limit =
        machine->ecam_address != 0 && machine->ecam_address < PCI_HOLE_END ? machine->ecam_address : PCI_HOLE_END;
    paddr end = 0;
    for (unsigned i = 0; i < loader->region_count; i++) {
        struct range range = region_range(&loader->region[i]);
        if (range.end <= limit && range.end > end)
            end = range.end;
    }
    return (end + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static paddr high_memory_end(const struct loader_info *loader)
{
    paddr end = 4 * GIB;
    for (unsigned i = 0; i < loader->region_count; i++) {
        struct range range = region_range(&loader->region[i]);
        if (loader->region[i].is_usable && range.end > end)
            end = range.end;
    }
    return (end + GIB - 1) & ~(GIB - 1);
}

static paddr physical_address_end(void)
{
    unsigned bits = 36;
    if (cpuid_read(0x80000000, 0).eax >= 0x80000008)
        bits = cpuid_read(0x80000008, 0).eax & 0xff;
    return 1ul << (bits > 46 ? 46 : bits);
}

static bool is_q35(void)
{
    port_write_32(0xcf8, 1u << 31); /* PCI configuration mechanism 1: bus 0, device 0, function 0, register 0 */
    return port_read_32(0xcfc) == Q35_HOST_BRIDGE;
}

static void pci_fill(struct platform *platform, const struct loader_info *loader, const struct acpi_machine *machine)
{
    struct boot_info *info = &platform->boot_info;
    paddr hole = low_memory_end(loader, machine), high = high_memory_end(loader), end = physical_address_end();
    info->ecam_address = machine->ecam_address;
    info->ecam_bytes = ecam_bytes(machine);
    info->pci_window_address = hole;
    if (machine->ecam_address >= hole && machine->ecam_address < PCI_HOLE_END)
        info->pci_window_address = machine->ecam_address + info->ecam_bytes;
    if (info->pci_window_address < PCI_HOLE_END)
        info->pci_window_bytes = PCI_HOLE_END - info->pci_window_address;
    if (hole < PCI_HOLE_END)
        ranges_add(&platform->device, hole, PCI_HOLE_END);
    if (high < end) {
        info->pci_window64_address = high;
        info->pci_window64_bytes = end - high;
        ranges_add(&platform->device, high, end);
    }
    if (info->ecam_bytes != 0 && machine->ecam_address < hole)
        ranges_add(&platform->device, machine->ecam_address, machine->ecam_address + info->ecam_bytes);
    /* PIRQ E..H at inputs 20 to 23 for slots 0 to 24: QEMU hw/isa/lpc_ich9.c. Elsewhere only AML knows; MSI works. */
    for (unsigned pin = 0; pin < 4 && is_q35(); pin++)
        info->pci_interrupt[pin] = 20 + pin;
}

static void uart_fill(struct boot_info *info, const struct acpi_machine *machine)
{
    const struct acpi_isa_interrupt *isa = &machine->isa[COM1_INTERRUPT];
    info->uart_kind = BOOT_UART_16550_PORT;
    info->uart_address = COM1_PORT;
    info->uart_interrupt = machine->has_madt ? isa->global : COM1_INTERRUPT;
    info->uart_clock_hz = COM1_CLOCK_HZ;
    if (machine->has_madt)
        info->uart_interrupt_flags = (isa->is_level ? IRQ_LEVEL : 0) | (isa->is_low ? IRQ_LOW : 0);
    bool is_16550 = machine->console_kind == ACPI_CONSOLE_16550 || machine->console_kind == ACPI_CONSOLE_16550_GAS;
    if (!is_16550)
        return;
    if (machine->console.space == ACPI_SPACE_MEMORY)
        info->uart_kind = BOOT_UART_16550_MMIO;
    info->uart_address = machine->console.address;
    if (machine->console_interrupt != 0)
        info->uart_interrupt = machine->console_interrupt;
}

static void text_copy(char *to, const char *from, unsigned bytes)
{
    for (unsigned i = 0; i < bytes - 1 && from[i] != '\0'; i++)
        to[i] = from[i];
}

void platform_fill(struct platform *platform, const struct loader_info *loader, const struct acpi_machine *machine)
{
    struct boot_info *info = &platform->boot_info;
    ram_fill(platform, loader);
    reserved_fill(platform, loader);
    archive_fill(platform, loader);
    pci_fill(platform, loader, machine);
    uart_fill(info, machine);
    info->core_count = 1;
    info->rsdp_address = loader->rsdp;
    info->framebuffer_address = loader->framebuffer_address;
    info->framebuffer_width = loader->framebuffer_width;
    info->framebuffer_height = loader->framebuffer_height;
    info->framebuffer_pitch = loader->framebuffer_pitch;
    info->framebuffer_bits = loader->framebuffer_bits;
    text_copy(info->command_line, loader->command_line, sizeof(info->command_line));
    arch_random(info->random_seed);
}
