/* Traps with every register known: see trap.h. The file's address waits on the stack. */
#define OUT (8 * 31)

    .macro trap name, instructions:vararg
    .globl \name
\name:
    stp x29, x30, [sp, #-112]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    str x0, [sp, #96]
    mov x1, sp
    str x1, [x0, #(8 * 62)]
    .irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    ldr x\n, [x0, #(8 * \n)]
    .endr
    ldr x0, [x0]
    \instructions
    stp x0, x1, [sp, #-16]!
    ldr x0, [sp, #112]
    .irp n, 2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    str x\n, [x0, #(OUT + 8 * \n)]
    .endr
    ldp x1, x2, [sp], #16
    stp x1, x2, [x0, #OUT]
    mov x1, sp
    str x1, [x0, #(8 * 63)]
    str xzr, [x0, #(8 * 64)]
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp x29, x30, [sp], #112
    ret
    .endm

    .macro spin
7:  ldr x20, [x19]
    cbz x20, 7b
    .endm

    .text
    .irp n, 0,1,2,3,4,5,6,7,8,9
    trap trap_svc_\n, svc #\n
    .endr
    trap trap_illegal, brk #1
    trap trap_touch, ldr xzr, [x19]
    trap trap_spin, spin

    .section .note.GNU-stack, "", %progbits
