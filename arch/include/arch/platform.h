/* The arch contract, 8: the platform record, which machine boot code fills (from multiboot2, PVH, ACPI, DTB) before it
 * calls kernel_boot. The rest of the kernel sees only this.
 *
 * Machine code only records what it found: kernel_boot cuts `reserved` and the archive out of `ram`, sorts and splits.
 */
#ifndef ARCH_PLATFORM_H
#define ARCH_PLATFORM_H

#include <abi/boot.h>
#include <arch/types.h>

#define PLATFORM_RANGES 64

struct range {
    paddr start, end; /* end is one past the last; any alignment: ram is shrunk to pages, the others are widened */
};
struct ranges {
    unsigned count;
    struct range range[PLATFORM_RANGES];
};

struct platform {
    struct ranges ram;      /* usable RAM, all of it direct-mapped; may overlap with reserved ones */
    struct ranges reserved; /* kernel image, early tables, DTB, ACPI tables, firmware ...: never handed out */
    struct ranges device;   /* MMIO that user level may have as device untypeds; not the kernel's own controllers */
    struct range archive;   /* the system archive; empty = none was given */
    const char *name;       /* for the boot line: "x86-64, PVH, ..." */

    /* Filled by machine code: timer_*, core_count, entry_ticks, uart_*, rtc, ecam, pci_*, rsdp, dtb, framebuffer,
     * random_seed, command_line. The rest (magic, archive, untypeds, slots, memory_bytes, root_ticks) by kernel_boot.
     */
    struct boot_info boot_info;
};

static inline bool ranges_add(struct ranges *ranges, paddr start, paddr end)
{
    if (end <= start)
        return true;
    if (ranges->count == PLATFORM_RANGES)
        return false;
    ranges->range[ranges->count++] = (struct range){start, end};
    return true;
}

#endif
