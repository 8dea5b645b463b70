/* The EFI application's entry and its way to the kernel. See efi.c. */

    .section .text.efi, "ax"

    /* x0: image handle, x1: system table; the firmware's stack. Returns when it cannot boot. */
    .global efi_entry
efi_entry:
    stp x29, x30, [sp, #-16]!
    mov x29, sp
    adrp x2, image_start
    bl efi_main
    ldp x29, x30, [sp], #16
    ret

    /* x0: struct efi_record; boot services are over and the caches are clean. MMU and caches off, then boot.S; this
     * code is mapped at its physical address (UEFI 2.10, 2.3.6.1), so it goes on after that. */
    .global efi_leave
efi_leave:
    msr daifset, #0xf
    mrs x1, CurrentEL
    cmp x1, #(2 << 2)
    b.eq 1f
    mrs x1, sctlr_el1
    bic x1, x1, #1                      /* M */
    bic x1, x1, #4                      /* C */
    msr sctlr_el1, x1
    isb
    tlbi vmalle1
    b 2f
1:  mrs x1, sctlr_el2
    bic x1, x1, #1
    bic x1, x1, #4
    msr sctlr_el2, x1
    isb
    tlbi alle2
2:  dsb sy
    isb
    b boot_enter_efi
