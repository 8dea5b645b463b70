/* From the first C line to the portable kernel: what the boot loader said becomes the platform record.
 *
 * boot.S has switched MMU and caches on, with the image mapped and nothing else. From then on: the direct map, the
 * console, the check of the CPU, the controller and the timer, and kernel_boot. A failure is one line and a status that
 * is not 0; before the console is known it is the status alone.
 */
#include "boot.h"
#include "console.h"
#include "cpu.h"
#include "fault.h"
#include "mmu.h"
#include "platform.h"
#include "timer.h"
#include "arch/platform/fdt.h"

#include <arch/core.h>
#include <arch/machine.h>
#include <arch/upcalls.h>

#define FDT_ALIGN        8
#define FDT_HEADER_BYTES 40
#define FDT_LIMIT        (2ul << 20) /* the boot protocol's */

static struct platform platform;
static struct machine machine = {.platform = &platform};

_Noreturn void leave(void); /* entry.S */

void platform_add_ram(struct machine *of, paddr start, paddr end)
{
    if (!ranges_add(&of->platform->ram, start, end)) {
        of->left_out_bytes += end - start;
    } else if (!direct_map(start, end)) {
        of->platform->ram.count--;
        of->left_out_bytes += end - start;
    }
}

/* The blob in the direct map; NULL when there is none at `address`. */
static bool fdt_map(struct fdt *fdt, paddr address)
{
    if (address == 0 || address % FDT_ALIGN != 0 || address >= DIRECT_END - DIRECT_BASE - FDT_LIMIT)
        return false;
    direct_map_blocks(address, FDT_HEADER_BYTES);
    uint32_t bytes = fdt_total_bytes(paddr_to_kernel(address));
    if (bytes == 0 || bytes > FDT_LIMIT)
        return false;
    direct_map_blocks(address, bytes);
    if (!fdt_open(fdt, paddr_to_kernel(address), bytes))
        return false;
    platform.boot_info.dtb_address = address;
    platform.boot_info.dtb_bytes = bytes;
    ranges_add(&platform.reserved, address, address + bytes);
    return true;
}

static void console_start(void)
{
    if (platform.boot_info.uart_kind == BOOT_UART_PL011)
        console_use(device_map(platform.boot_info.uart_address, PAGE_BYTES));
    power_use(machine.psci);
}

static void read_direct(paddr dtb)
{
    struct fdt fdt;
    if (!fdt_map(&fdt, dtb))
        kernel_stop("the boot loader gave no device tree");
    platform_read_fdt(&machine, &fdt, true);
    console_start();
    platform.name = "arm64, device tree";
}

/* ---- EFI ---- */

/* What may be reclaimed once boot services are over (UEFI 2.10, 7.2.1). */
static bool is_usable(const struct efi_memory *memory)
{
    switch (memory->type) {
    case EFI_LOADER_CODE:
    case EFI_LOADER_DATA:
    case EFI_BOOT_CODE:
    case EFI_BOOT_DATA:
    case EFI_CONVENTIONAL:
        return (memory->attributes & EFI_MEMORY_WRITE_BACK) != 0;
    default:
        return false;
    }
}

/* Neighbours are joined: firmware cuts memory into many pieces. */
static void efi_memory_read(const struct efi_record *record)
{
    struct range usable = {0, 0};
    const char *map = paddr_to_kernel(record->map);
    for (uint64_t at = 0; record->map_bytes - at >= record->map_entry_bytes; at += record->map_entry_bytes) {
        const struct efi_memory *memory = (const struct efi_memory *)(const void *)(map + at);
        paddr start = memory->physical, end = start + memory->pages * EFI_PAGE_BYTES;
        if (memory->type == EFI_ACPI_TABLES || memory->type == EFI_ACPI_NVS) {
            (void)direct_map(start, end); /* what is not mapped, the ACPI reader does not see */
        } else if (is_usable(memory)) {
            if (start != usable.end && usable.end != 0) {
                platform_add_ram(&machine, usable.start, usable.end);
                usable.end = 0;
            }
            if (usable.end == 0)
                usable.start = start;
            usable.end = end;
        }
    }
    if (usable.end != 0)
        platform_add_ram(&machine, usable.start, usable.end);
}

static void efi_record_take(const struct efi_record *record)
{
    struct boot_info *info = &platform.boot_info;
    platform.archive = (struct range){record->archive, record->archive + record->archive_bytes};
    info->framebuffer_address = record->framebuffer;
    info->framebuffer_width = record->framebuffer_width;
    info->framebuffer_height = record->framebuffer_height;
    info->framebuffer_pitch = record->framebuffer_pitch;
    info->framebuffer_bits = record->framebuffer_bits;
    ranges_add(&platform.device, record->framebuffer,
               record->framebuffer + (uint64_t)record->framebuffer_pitch * record->framebuffer_height);
    __builtin_memcpy(info->random_seed, record->seed, sizeof(info->random_seed));
    __builtin_memcpy(info->command_line, record->command_line, sizeof(info->command_line) - 1);
}

/* efi.c wrote the record; the memory map in it is the firmware's. */
static void read_efi(paddr address)
{
    direct_map_blocks(address, sizeof(struct efi_record));
    const struct efi_record *record = paddr_to_kernel(address);
    direct_map_blocks(record->map, record->map_bytes);
    if (record->map_entry_bytes < sizeof(struct efi_memory))
        kernel_stop("the firmware's memory map is malformed");
    efi_memory_read(record);

    struct fdt fdt;
    platform.name = "arm64, EFI, ACPI";
    if (record->rsdp == 0 || !platform_read_acpi(&machine, record->rsdp)) {
        platform.name = "arm64, EFI, device tree";
        if (!fdt_map(&fdt, record->dtb))
            kernel_stop("the firmware has neither usable ACPI tables nor a device tree");
        platform_read_fdt(&machine, &fdt, false);
    }
    console_start();
    efi_record_take(record);
}

/* ---- all ways ---- */

/* The firmware's seed and the CPU's: either may be missing, and then is zero. */
static void seed_mix(uint64_t seed[4])
{
    uint64_t cpu_seed[4];
    arch_random(cpu_seed);
    for (unsigned i = 0; i < 4; i++)
        seed[i] ^= cpu_seed[i];
}

static void archive_check(void)
{
    struct range *archive = &platform.archive;
    if (archive->end <= archive->start)
        *archive = (struct range){0, 0};
    else if (!is_direct_mapped(archive->start, archive->end - archive->start))
        kernel_stop("the boot loader put the system archive outside of memory");
}

_Noreturn void boot_main(uint64_t kind, uint64_t pointer, uint64_t entry_ticks, uint64_t image)
{
    mmu_start(image);
    ranges_add(&platform.reserved, image_start_address(), image_end_address());
    if (kind == BOOT_EFI)
        read_efi(pointer);
    else
        read_direct(pointer);
    if (machine.problem != NULL)
        print("tessera: ACPI: %s\n", machine.problem);
    if (machine.left_out_bytes != 0)
        print("tessera: %lu KiB of memory are not used: too many pieces\n", machine.left_out_bytes >> 10);

    const char *missing = cpu_missing();
    if (missing != NULL)
        kernel_stop("refused: the CPU has no %s; ARMv8.1 with PAN is needed", missing);
    cpu_start();
    if (timer_hz() == 0)
        kernel_stop("the firmware has not set the timer's frequency");
    archive_check();

    struct boot_info *info = &platform.boot_info;
    seed_mix(info->random_seed);
    info->entry_ticks = entry_ticks;
    info->timer_hz = timer_hz();
    info->timer_shift = timer_scale(&info->timer_multiplier);
    if (info->core_count == 0)
        info->core_count = 1;
    timer_start();
    struct core *core = core_of_this_cpu();
    irq_start(core, &machine.gic);
    mmu_user_on();
    debug_start(core);
    kernel_boot(core, &platform);
    leave();
}
