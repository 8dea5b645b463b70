/* void wasm_throw(struct wasm_exception *): exception.h has the contract. The landing pad finds the exception in x0,
 * LLVM's register for it, and a selector that nobody looks at in x1. */
    .text
    .globl wasm_throw, wasm_personality
    .hidden wasm_throw, wasm_personality
    .type wasm_throw, %function
    .type wasm_personality, %function

    .set REGISTERS, 64 * 8
    .set D, 32 * 8                      /* of d0 */

wasm_throw:
    str x30, [sp, #-16]!                /* the registers below become those of a caller */
    sub sp, sp, #REGISTERS
    stp x0, xzr, [sp]
    stp x19, x20, [sp, #19 * 8]
    stp x21, x22, [sp, #21 * 8]
    stp x23, x24, [sp, #23 * 8]
    stp x25, x26, [sp, #25 * 8]
    stp x27, x28, [sp, #27 * 8]
    stp x29, x30, [sp, #29 * 8]
    add x9, sp, #REGISTERS + 16
    str x9, [sp, #31 * 8]
    stp d8, d9, [sp, #D + 8 * 8]
    stp d10, d11, [sp, #D + 10 * 8]
    stp d12, d13, [sp, #D + 12 * 8]
    stp d14, d15, [sp, #D + 14 * 8]
    mov x0, sp
    bl wasm_unwind
    cbz w0, 1f
    ldp x19, x20, [sp, #19 * 8]
    ldp x21, x22, [sp, #21 * 8]
    ldp x23, x24, [sp, #23 * 8]
    ldp x25, x26, [sp, #25 * 8]
    ldp x27, x28, [sp, #27 * 8]
    ldp x29, x16, [sp, #29 * 8]
    ldr x9, [sp, #31 * 8]
    ldp d8, d9, [sp, #D + 8 * 8]
    ldp d10, d11, [sp, #D + 10 * 8]
    ldp d12, d13, [sp, #D + 12 * 8]
    ldp d14, d15, [sp, #D + 14 * 8]
    ldp x0, x1, [sp]
    mov sp, x9
    br x16
1:  add sp, sp, #REGISTERS
    ldr x30, [sp], #16
    ret
    .size wasm_throw, . - wasm_throw

/* Named by the tables of functions with landing pads, as every such function must name one; never called. */
wasm_personality:
    brk #1
    .size wasm_personality, . - wasm_personality

    .section .note.GNU-stack, "", %progbits
