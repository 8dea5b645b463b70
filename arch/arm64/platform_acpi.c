/* The platform record from ACPI. See platform.h. The tables are read by arch/platform/acpi.c.
 *
 * ACPI's static tables do not tell where PL031 and the PCI host bridge's windows and wired interrupts are: that is AML,
 * which we do not run. For the one machine that we meet without a device tree, QEMU's `virt`, these places are fixed
 * (QEMU, hw/arm/virt.c, base_memmap and a15irqmap); it is recognised by its distributor and console, and the PL031 must
 * answer with its PrimeCell identification. Other machines have no PL031 and no PCI windows in their record.
 */
#include "platform.h"
#include "instructions.h"
#include "mmu.h"
#include "arch/platform/acpi.h"

#include <abi/object.h>
#include <arch/upcalls.h>

#define BOOT_FLAG_PSCI     1u
#define BOOT_FLAG_PSCI_HVC 2u
#define GICR_ALL_BYTES     0x20000 /* a redistributor named by a core's own entry: its two frames */
#define ECAM_BYTES_PER_BUS 0x100000ul

static const void *memory_look(void *context, uint64_t address, size_t bytes)
{
    (void)context;
    return is_direct_mapped(address, bytes) ? paddr_to_kernel(address) : NULL;
}

static void gic_fill(struct gic *gic, const struct acpi_machine *acpi)
{
    gic->distributor = acpi->gic_distributor;
    gic->cpu_interface = acpi->gic_cpu_interface;
    for (uint32_t i = 0; i < acpi->gic_redistributor_count && i < GIC_REGIONS; i++) {
        gic->redistributor[i].address = acpi->gic_redistributor[i].address;
        gic->redistributor[i].bytes = acpi->gic_redistributor[i].bytes;
        gic->redistributor_count = i + 1;
    }
    if (gic->redistributor_count == 0 && acpi->gic_redistributor_of_core != 0) {
        gic->redistributor[0].address = acpi->gic_redistributor_of_core;
        gic->redistributor[0].bytes = GICR_ALL_BYTES;
        gic->redistributor_count = 1;
    }
    gic->version = acpi->gic_version;
    if (gic->version == 0)
        gic->version = gic->redistributor_count != 0 ? 3 : 2;
    gic->timer_interrupt = acpi->timer_virtual.interrupt;
}

static void console_fill(struct machine *machine, const struct acpi_machine *acpi)
{
    struct boot_info *info = &machine->platform->boot_info;
    bool is_pl011 = acpi->console_kind == ACPI_CONSOLE_PL011 || acpi->console_kind == ACPI_CONSOLE_SBSA;
    if (!is_pl011 || acpi->console.bits == 0 || acpi->console.space != ACPI_SPACE_MEMORY)
        return;
    info->uart_kind = BOOT_UART_PL011;
    info->uart_address = acpi->console.address;
    info->uart_interrupt = acpi->console_interrupt;
    info->uart_interrupt_flags = IRQ_LEVEL;
    info->uart_clock_hz = acpi->console_clock_hz;
    ranges_add(&machine->platform->device, info->uart_address, info->uart_address + PAGE_BYTES);
}

/* ---- QEMU's virt ---- */

#define VIRT_DISTRIBUTOR    0x08000000ul
#define VIRT_UART           0x09000000ul
#define VIRT_RTC            0x09010000ul
#define VIRT_WINDOW         0x10000000ul
#define VIRT_WINDOW_END     0x3eff0000ul
#define VIRT_WINDOW64       0x8000000000ul
#define VIRT_WINDOW64_BYTES 0x8000000000ul
#define VIRT_PCI_INTERRUPT  35    /* INTA: SPI 3 */
#define PRIMECELL_ID        0xfe0 /* four bytes, one a word: Arm DDI 0224, 3.3.9 */
#define PL031_PART          0x31

static void virt_fill(struct machine *machine)
{
    struct platform *platform = machine->platform;
    struct boot_info *info = &platform->boot_info;
    if (machine->gic.distributor != VIRT_DISTRIBUTOR || info->uart_address != VIRT_UART)
        return;
    uint64_t id = device_map(VIRT_RTC, PAGE_BYTES) + PRIMECELL_ID;
    if ((device_read_32(id) & 0xff) != PL031_PART || (device_read_32(id + 4) & 0x0f) != 0)
        return;
    info->rtc_address = VIRT_RTC;
    info->pci_window_address = VIRT_WINDOW;
    info->pci_window_bytes = VIRT_WINDOW_END - VIRT_WINDOW;
    info->pci_window64_address = VIRT_WINDOW64;
    info->pci_window64_bytes = VIRT_WINDOW64_BYTES;
    for (unsigned pin = 0; pin < 4; pin++)
        info->pci_interrupt[pin] = VIRT_PCI_INTERRUPT + pin;
    ranges_add(&platform->device, VIRT_RTC, VIRT_RTC + PAGE_BYTES);
    ranges_add(&platform->device, VIRT_WINDOW, VIRT_WINDOW_END);
    ranges_add(&platform->device, VIRT_WINDOW64, VIRT_WINDOW64 + VIRT_WINDOW64_BYTES);
}

bool platform_read_acpi(struct machine *machine, paddr rsdp)
{
    static struct acpi_machine acpi;
    struct acpi_memory memory = {memory_look, NULL};
    struct boot_info *info = &machine->platform->boot_info;
    bool is_usable = acpi_read(&acpi, &memory, rsdp);
    machine->problem = acpi.problem;
    if (!is_usable)
        return false;
    gic_fill(&machine->gic, &acpi);
    console_fill(machine, &acpi);
    if ((acpi.boot_flags_arm & BOOT_FLAG_PSCI) != 0)
        machine->psci = (acpi.boot_flags_arm & BOOT_FLAG_PSCI_HVC) != 0 ? PSCI_HVC : PSCI_SMC;
    info->core_count = acpi.core_count;
    info->rsdp_address = rsdp;
    if (acpi.ecam_address != 0) {
        info->ecam_address = acpi.ecam_address;
        info->ecam_bytes = (acpi.ecam_last_bus + 1ul) * ECAM_BYTES_PER_BUS;
        ranges_add(&machine->platform->device, info->ecam_address, info->ecam_address + info->ecam_bytes);
    }
    virt_fill(machine);
    return true;
}
