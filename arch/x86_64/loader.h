/* What a boot loader says, whichever protocol it speaks: one record, filled by loader_multiboot.c or loader_pvh.c.
 *
 * Portable C (tests/host-platform runs it on the host). The loader's structures are hostile: lengths are checked before
 * use, and memory is seen only through `memory`. Nothing here says that a region is free of the kernel or the archive.
 */
#ifndef X86_64_LOADER_H
#define X86_64_LOADER_H

#include <stdbool.h>
#include <stdint.h>
#include "arch/platform/acpi.h"

#define LOADER_REGIONS       128
#define LOADER_COMMAND_BYTES 128

struct loader_region {
    uint64_t address, bytes;
    bool is_usable; /* else reserved, ACPI, broken, ... */
};

struct loader_info {
    uint32_t region_count;
    struct loader_region region[LOADER_REGIONS]; /* as stated: any order, any alignment, perhaps overlapping */
    uint32_t region_dropped;                     /* regions that found no room above */
    uint64_t archive_address, archive_bytes;     /* the first module; 0 bytes = none */
    uint64_t rsdp;                               /* 0 = not stated */
    bool is_rsdp_a_copy; /* it lies in the loader's own information, not where firmware put it */
    uint64_t framebuffer_address;
    uint32_t framebuffer_width, framebuffer_height, framebuffer_pitch, framebuffer_bits;
    char command_line[LOADER_COMMAND_BYTES];
};

/* NULL, or what is wrong. `address` is what the loader left in ebx. */
const char *loader_read_multiboot(struct loader_info *info, const struct acpi_memory *memory, uint64_t address);
const char *loader_read_pvh(struct loader_info *info, const struct acpi_memory *memory, uint64_t address);

/* For the two readers: takes over one line of a memory map unless it is empty or ends beyond 2^52. Both protocols use
 * the types of the BIOS's E820 call: 1 is usable memory. */
void loader_add_region(struct loader_info *info, uint64_t address, uint64_t bytes, uint32_t type);

#endif
