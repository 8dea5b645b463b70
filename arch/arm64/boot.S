/* The image's headers and the first instructions: from what the boot loader leaves (MMU off, EL1 or EL2) to
 * boot_main() in the high half.
 *
 * The same file is an `Image` for Linux' arm64 boot protocol (Linux, Documentation/arch/arm64/booting.rst) and an EFI
 * application (Microsoft PE Format; UEFI 2.10, 2.1.1), so it begins with an instruction whose bytes read "MZ". The
 * image may lie at any multiple of 4 KiB; nothing before boot_high uses an absolute address.
 *
 * There is no identity mapping: the MMU is switched on while TTBR0 walks are off, so the next fetch faults, and VBAR_EL1
 * leads the fault to the mapped image: its first page is the vector table, and boot_high stands where exceptions of the
 * current level with SP_ELx go (offset 0x200; Arm ARM DDI 0487, D1.3.1).
 */
#include "boot.h"
#include "layout.h"
#include <machine/context.h>

#define PAGE  4096
#define TABLE_ENTRIES 512

    .section .head, "ax"
image:
    ccmp x18, #0, #0xd, pl              /* "MZ", and harmless */
    b enter_direct
    .quad 0                             /* offset from a multiple of 2 MiB */
    .quad image_bytes
    .quad 0xa                           /* little-endian, 4 KiB pages, anywhere in memory */
    .quad 0, 0, 0
    .ascii "ARM\x64"
    .long pe_header - image

    .balign 8
pe_header:
    .ascii "PE\0\0"
    .short 0xaa64                       /* ARM64 */
    .short 2                            /* sections */
    .long 0, 0, 0
    .short section_table - optional_header
    .short 0x206                        /* executable, no line numbers, no debug information */
optional_header:
    .short 0x20b                        /* PE32+ */
    .byte 0, 0
    .long image_text_bytes, image_data_file_bytes, 0
    .long image_efi_entry
    .long PAGE                          /* base of code */
    .quad 0                             /* image base: position independent, there are no relocations */
    .long PAGE, 512                     /* alignment in memory and in the file */
    .short 0, 0, 0, 0, 0, 0
    .long 0
    .long image_bytes
    .long PAGE                          /* of headers */
    .long 0
    .short 10                           /* EFI application */
    .short 0x100                        /* compatible with no-execute */
    .quad 0, 0, 0, 0
    .long 0, 6
    .quad 0, 0, 0, 0, 0, 0              /* no data directories */
section_table:
    .ascii ".text\0\0\0"
    .long image_text_bytes, PAGE, image_text_bytes, PAGE, 0, 0, 0
    .long 0x60000020                    /* code, execute, read */
    .ascii ".data\0\0\0"
    .long image_data_bytes, image_data_offset, image_data_file_bytes, image_data_offset, 0, 0, 0
    .long 0xc0000040                    /* initialised data, read, write */

    .org image + 0x200
boot_high:
    adrp x0, vectors
    add x0, x0, :lo12:vectors
    msr vbar_el1, x0
    adrp x0, stack_top
    add x0, x0, :lo12:stack_top
    mov sp, x0
    isb

    adrp x0, bss_start
    add x0, x0, :lo12:bss_start
    adrp x1, bss_end
    add x1, x1, :lo12:bss_end
    sub x1, x1, x0
    bl arch_memory_clear

    mov x0, sp
    adrp x1, kernel_cores
    add x1, x1, :lo12:kernel_cores
    msr tpidr_el1, x1
    str x0, [x1, #CORE_STACK_TOP]

    mov x0, x20
    mov x1, x21
    mov x2, x19
    mov x3, x22
    mov x29, xzr
    mov x30, xzr
    b boot_main

    /* x0: the device tree; MMU off, EL1 or EL2. */
enter_direct:
    mov x20, #BOOT_DIRECT
    b enter
    /* x0: struct efi_record; the same state, left by efi.S. */
    .global boot_enter_efi
boot_enter_efi:
    mov x20, #BOOT_EFI
enter:
    msr daifset, #0xf
    mov x21, x0
    ldr x0, =SCTLR_RES1
    msr sctlr_el1, x0
    isb
    mrs x1, CurrentEL
    cmp x1, #(2 << 2)
    b.ne at_el1

    /* A hypervisor's rights are given to EL1 as far as EL1 has a use for them, then EL2 is left for good. */
    mov x0, #(1 << 31 | 1 << 29)        /* HCR_EL2: EL1 is AArch64; HVC is undefined, nobody is here to take it */
    msr hcr_el2, x0
    isb
    mov x0, #3                          /* physical timer and counter are EL1's */
    msr cnthctl_el2, x0
    msr cntvoff_el2, xzr
    mov x0, #0x33ff                     /* CPTR_EL2: RES1 bits only, so no traps */
    msr cptr_el2, x0
    msr hstr_el2, xzr
    msr vttbr_el2, xzr
    mrs x0, midr_el1
    msr vpidr_el2, x0
    mrs x0, mpidr_el1
    msr vmpidr_el2, x0
    mrs x1, id_aa64dfr0_el1             /* MDCR_EL2: all event counters are EL1's */
    mov x0, xzr
    ubfx x2, x1, #8, #4
    cbz x2, 1f
    cmp x2, #15
    b.eq 1f
    mrs x0, pmcr_el0
    ubfx x0, x0, #11, #5
1:  msr mdcr_el2, x0
    mrs x1, id_aa64mmfr0_el1            /* fine-grained traps off, where they exist */
    ubfx x1, x1, #56, #4
    cbz x1, 1f
    msr s3_4_c1_c1_4, xzr               /* HFGRTR_EL2 */
    msr s3_4_c1_c1_5, xzr               /* HFGWTR_EL2 */
    msr s3_4_c1_c1_6, xzr               /* HFGITR_EL2 */
    msr s3_4_c3_c1_4, xzr               /* HDFGRTR_EL2 */
    msr s3_4_c3_c1_5, xzr               /* HDFGWTR_EL2 */
1:  mrs x1, id_aa64pfr0_el1             /* the GIC's system registers are EL1's, where they exist */
    ubfx x1, x1, #24, #4
    cbz x1, 1f
    mrs x0, s3_4_c12_c9_5               /* ICC_SRE_EL2 */
    mov x2, #9                          /* SRE, Enable */
    orr x0, x0, x2
    msr s3_4_c12_c9_5, x0
    isb
    msr s3_4_c12_c11_0, xzr             /* ICH_HCR_EL2 */
1:  mov x0, #0x3c5                      /* EL1 with SP_EL1, all masked */
    msr spsr_el2, x0
    adr x0, at_el1
    msr elr_el2, x0
    eret

at_el1:
    mrs x19, cntvct_el0                 /* kernel entry, for boot_info.entry_ticks */
    adrp x22, image                     /* where the image lies */
    adrp x23, boot_tables

    /* Four tables: root, the top GiBs' table, the kernel's 2 MiB table, its pages. They are written past the caches, so
     * no line of an earlier owner may be written back over them later, nor be found in place of them. (The image itself
     * is clean to the point of coherency: the boot protocol says so, and efi.c does it. Everything else is written
     * through the caches.) */
    bl tables_invalidate
    mov x0, x23
    add x1, x23, #(4 * PAGE)
1:  stp xzr, xzr, [x0], #16
    stp xzr, xzr, [x0], #16
    cmp x0, x1
    b.lo 1b
    mov x1, #(ENTRY_VALID | ENTRY_TABLE_OR_PAGE)
    add x0, x23, #PAGE
    orr x2, x0, x1
    str x2, [x23, #(8 * 511)]           /* the last 512 GiB */
    add x3, x23, #(2 * PAGE)
    orr x2, x3, x1
    str x2, [x0, #(8 * 510)]            /* KERNEL_BASE's GiB */
    add x4, x23, #(3 * PAGE)
    orr x2, x4, x1
    str x2, [x3]

    /* Pages: text readable and executable, rodata readable, data writable; the guard page stays out. */
    ldr x5, =(ENTRY_KERNEL_PAGE | ENTRY_READ_ONLY | 1 << ENTRY_UXN_BIT)
    orr x5, x5, x22
    adrp x6, image_rodata
    bl map_pages
    orr x5, x5, #(1 << ENTRY_PXN_BIT)
    adrp x6, image_data
    bl map_pages
    and x5, x5, #~(ENTRY_READ_ONLY)
    adrp x6, image_guard
    bl map_pages
    add x5, x5, #PAGE
    add x4, x4, #8
    adrp x6, image_end
    bl map_pages

    dsb sy
    bl tables_invalidate

    /* TCR_EL1 (Arm ARM, D19.2.139): 48-bit halves of 4 KiB pages, walks through write-back caches, TTBR0 off for now. */
    ldr x0, =(16 | 1 << 7 | 1 << 8 | 1 << 10 | 3 << 12 | 16 << 16 | 1 << 24 | 1 << 26 | 3 << 28 | 2 << 30)
    mrs x1, id_aa64mmfr0_el1
    and x2, x1, #0xf                    /* physical address size, at most 48 bits */
    mov x3, #5
    cmp x2, x3
    csel x2, x2, x3, lo
    orr x0, x0, x2, lsl #32
    ubfx x1, x1, #4, #4                 /* ASIDs of 16 bits, where they exist */
    cmp x1, #2
    cset x1, eq
    orr x0, x0, x1, lsl #36
    mrs x1, id_aa64mmfr2_el1            /* FEAT_E0PD: EL0 faults on the kernel's half before any walk */
    ubfx x1, x1, #60, #4
    cmp x1, #0
    cset x1, ne
    orr x0, x0, x1, lsl #56
    msr tcr_el1, x0
    ldr x0, =MAIR_VALUE
    msr mair_el1, x0
    msr ttbr0_el1, x23
    msr ttbr1_el1, x23
    ldr x0, =KERNEL_BASE
    msr vbar_el1, x0
    isb
    tlbi vmalle1
    ic iallu
    dsb nsh
    isb
    ldr x0, =(SCTLR_RES1 | SCTLR_ON)
    msr sctlr_el1, x0
    isb
1:  b 1b                                /* not reached: the fetch after ISB faults to boot_high */

    /* Maps up to the physical address x6, from the one in x5 with its attributes, with entries from x4 on. */
map_pages:
1:  and x8, x5, #0x0000fffffffff000
    cmp x8, x6
    b.hs 2f
    str x5, [x4], #8
    add x5, x5, #PAGE
    b 1b
2:  ret

tables_invalidate:
    mov x0, x23
    mrs x1, ctr_el0
    ubfx x1, x1, #16, #4
    mov x2, #4
    lsl x1, x2, x1                      /* the smallest data cache line */
    add x2, x23, #(4 * PAGE)
1:  dc ivac, x0
    add x0, x0, x1
    cmp x0, x2
    b.lo 1b
    dsb sy
    ret

    .ltorg

    .section .tables, "aw", @nobits
    .balign PAGE
    .global boot_tables, table_pool
boot_tables:
    .skip 4 * PAGE
table_pool:
    .skip TABLE_POOL_PAGES * PAGE

    .section .stack, "aw", @nobits
    .balign 16
    .skip STACK_BYTES
stack_top:
    .skip CRASH_STACK_BYTES
