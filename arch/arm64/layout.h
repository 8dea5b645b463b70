/* Addresses of the arm64 kernel half (TTBR1), for C, assembler and the linker script alike. docs/arm64.md has the
 * picture. */
#ifndef ARM64_LAYOUT_H
#define ARM64_LAYOUT_H

/* All RAM, at its physical address plus DIRECT_BASE, except the kernel's own image. */
#define DIRECT_BASE 0xffff000000000000
#define DIRECT_END  0xffff800000000000

/* The image, wherever it was loaded (any multiple of 4 KiB): mapped here page by page with one table. */
#define KERNEL_BASE  0xffffffff80000000
#define KERNEL_LIMIT 0x200000

/* Device registers that the kernel itself uses: one table of 4 KiB pages, behind the image's. */
#define DEVICE_BASE  0xffffffff80200000
#define DEVICE_PAGES 512

#define STACK_BYTES       8192 /* the kernel stack of a core; an unmapped guard page lies below it */
#define TABLE_POOL_PAGES  40   /* for the direct map */
#define CRASH_STACK_BYTES 4096 /* for reporting an exception in kernel mode */

/* Bits of a translation-table descriptor (Arm ARM DDI 0487, D8.3; stage 1, 4 KiB granule). */
#define ENTRY_VALID         (1 << 0)
#define ENTRY_TABLE_OR_PAGE (1 << 1)
#define ENTRY_ATTRIBUTE     2        /* index into MAIR_EL1 */
#define ENTRY_USER          (1 << 6) /* AP[1] */
#define ENTRY_READ_ONLY     (1 << 7) /* AP[2] */
#define ENTRY_INNER_SHARED  (3 << 8)
#define ENTRY_ACCESSED      (1 << 10)
#define ENTRY_NOT_GLOBAL    (1 << 11)
#define ENTRY_PXN_BIT       53
#define ENTRY_UXN_BIT       54

/* Indices into MAIR_EL1, and its value. */
#define MEMORY_NORMAL   0 /* write-back, read and write allocate */
#define MEMORY_DEVICE   1 /* nGnRE */
#define MEMORY_UNCACHED 2 /* normal, not cacheable: write-combining */
#define MAIR_VALUE      0x4404ff

#define ENTRY_KERNEL_PAGE                                                                                              \
    (ENTRY_VALID | ENTRY_TABLE_OR_PAGE | ENTRY_INNER_SHARED | ENTRY_ACCESSED | (MEMORY_NORMAL << ENTRY_ATTRIBUTE))

#endif
