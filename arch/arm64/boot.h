/* What the first instructions (boot.S), the EFI part (efi.c) and the first C code (boot.c) tell each other. */
#ifndef ARM64_BOOT_H
#define ARM64_BOOT_H

/* How the kernel was entered: boot.S passes it to boot_main. */
#define BOOT_DIRECT 0 /* Linux' arm64 boot protocol; the pointer is that of the device tree */
#define BOOT_EFI    1 /* by efi.c; the pointer is that of struct efi_record */

/* SCTLR_EL1 with and without MMU and caches; docs/arm64.md explains each bit.
 * Arm ARM DDI 0487, D19.2.118; RES1 without the feature that uses them: LSMAOE 29, nTLSMD 28, SPAN 23, EIS 22, TSCXT
 * 20, EOS 11; and SED 8, ITD 7 where there is no AArch32. */
#define SCTLR_RES1 0x30d00980
#define SCTLR_SPAN (1 << 23)
#define SCTLR_ON                                                                                                       \
    (1 << 0 /* M */ | 1 << 2 /* C */ | 1 << 3 /* SA */ | 1 << 4 /* SA0 */ | 1 << 12 /* I */ | 1 << 14 /* DZE */ |      \
     1 << 18 /* nTWE */ | 1 << 19 /* WXN */)

#ifndef __ASSEMBLER__
#include <stdint.h>

/* Written by efi.c in memory of the type EfiLoaderData; all addresses are physical. */
struct efi_record {
    uint64_t archive, archive_bytes; /* 0 bytes: no archive was found */
    uint64_t rsdp, dtb;              /* 0 = absent */
    uint64_t map, map_bytes;         /* the final memory map */
    uint64_t map_entry_bytes;
    uint64_t framebuffer;
    uint32_t framebuffer_width, framebuffer_height, framebuffer_pitch, framebuffer_bits;
    uint64_t seed[4]; /* zero where the firmware has no generator */
    char command_line[128];
};

/* One entry of the memory map (UEFI 2.10, 7.2.3); they lie map_entry_bytes apart. */
struct efi_memory {
    uint32_t type, padding;
    uint64_t physical, virtual, pages, attributes;
};
enum efi_memory_type {
    EFI_RESERVED = 0,
    EFI_LOADER_CODE = 1,
    EFI_LOADER_DATA = 2,
    EFI_BOOT_CODE = 3,
    EFI_BOOT_DATA = 4,
    EFI_CONVENTIONAL = 7,
    EFI_ACPI_TABLES = 9,
    EFI_ACPI_NVS = 10
};
#define EFI_MEMORY_WRITE_BACK (1ul << 3)
#define EFI_PAGE_BYTES        4096ul

_Noreturn void boot_main(uint64_t kind, uint64_t pointer, uint64_t entry_ticks, uint64_t image);
#endif

#endif
