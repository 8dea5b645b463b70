/* From the first C line to kernel_boot: see what the loader left, build the final page tables, set up the core.
 *
 * Until mmu_start the first 4 GiB are visible through boot_look; after it only RAM, the image and the device window.
 */
#include <arch/machine.h>
#include <arch/mmu.h>
#include <arch/timer.h>
#include <arch/upcalls.h>
#include "boot.h"
#include "calibrate.h"
#include "console.h"
#include "cpu.h"
#include "irq.h"
#include "loader.h"
#include "mmu.h"
#include "platform.h"
#include "power.h"
#include "timer.h"

#define BIOS_ROOT_START 0xe0000
#define BIOS_ROOT_BYTES 0x20000

uint64_t boot_entry_ticks;

/* Too large for the stack; used once. */
static struct platform platform;
static struct loader_info loader;
static struct acpi_machine machine;

static const struct acpi_memory memory = {.look = boot_look};

static void loader_read(uint64_t information, bool is_multiboot)
{
    const char *problem = is_multiboot ? loader_read_multiboot(&loader, &memory, information)
                                       : loader_read_pvh(&loader, &memory, information);
    if (problem != NULL)
        kernel_stop("%s", problem);
    if (loader.region_dropped != 0)
        print("tessera: %u lines of the memory map found no room and are ignored\n", loader.region_dropped);
}

/* Without ACPI there is still a PC to assume: local APIC and COM1 where they always are, no I/O APIC. */
static void acpi_start(void)
{
    if (loader.rsdp == 0)
        loader.rsdp = acpi_find_root(&memory, BIOS_ROOT_START, BIOS_ROOT_BYTES);
    acpi_read(&machine, &memory, loader.rsdp);
    if (machine.problem != NULL)
        print("tessera: ACPI table %s ignored: %s\n", machine.problem_table, machine.problem);
}

static void clocks_start(struct boot_info *info)
{
    struct clock_rates rates = clocks_calibrate(&machine, cpu.has_tsc_deadline);
    if (rates.tsc_hz == 0)
        kernel_stop("no clock to measure the time-stamp counter with: neither CPUID, HPET, PM timer nor PIT works");
    timer_start(rates);
    info->timer_hz = rates.tsc_hz;
    info->timer_shift = 32;
    info->timer_multiplier = (1000000000ul << 32) / rates.tsc_hz;
    info->entry_ticks = boot_entry_ticks;
}

static void console_find(void)
{
    const struct boot_info *info = &platform.boot_info;
    if (info->uart_kind == BOOT_UART_16550_PORT) {
        console_use(false, info->uart_address, 1);
        return;
    }
    uint64_t registers = device_map(info->uart_address);
    if (registers != 0)
        console_use(true, registers, machine.console.access_bytes == 4 ? 4 : 1);
}

void boot_main(uint64_t information, uint64_t is_multiboot, struct core *core)
{
    console_use(false, CONSOLE_DEFAULT_PORT, 1);
    const char *missing = cpu_check();
    if (missing != NULL)
        kernel_stop("refused: the CPU lacks %s; needed: x86-64-v2 with NX, SMEP, SMAP, FSGSBASE, XSAVE", missing);
    loader_read(information, is_multiboot != 0);
    acpi_start();
    platform_fill(&platform, &loader, &machine);
    platform.name = is_multiboot != 0 ? "x86-64, multiboot2" : "x86-64, PVH";
    mmu_start(&platform);
    cpu_start(core);
    console_find();
    power_start(&machine);
    irq_start(&machine);
    clocks_start(&platform.boot_info);
    if (!cpu.is_meltdown_free)
        print("tessera: warning: this CPU may have the Meltdown flaw; user programs could read kernel memory\n");
    kernel_boot(core, &platform);
}
