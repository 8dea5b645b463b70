/* void wasm_throw(struct wasm_exception *): exception.h has the contract. The landing pad finds the exception in %rax,
 * LLVM's register for it, and a selector that nobody looks at in %rdx. */
    .text
    .globl wasm_throw, wasm_personality
    .hidden wasm_throw, wasm_personality
    .type wasm_throw, @function
    .type wasm_personality, @function

    .set REGISTERS, 17 * 8              /* with the return address a multiple of 16 */

wasm_throw:
    subq $REGISTERS, %rsp
    movq %rdi, 0 * 8(%rsp)              /* %rax to be */
    movq $0, 1 * 8(%rsp)
    movq %rbx, 3 * 8(%rsp)
    movq %rbp, 6 * 8(%rsp)
    leaq REGISTERS + 8(%rsp), %rax      /* %rsp after the return */
    movq %rax, 7 * 8(%rsp)
    movq %r12, 12 * 8(%rsp)
    movq %r13, 13 * 8(%rsp)
    movq %r14, 14 * 8(%rsp)
    movq %r15, 15 * 8(%rsp)
    movq REGISTERS(%rsp), %rax
    movq %rax, 16 * 8(%rsp)
    movq %rsp, %rdi
    call wasm_unwind
    testl %eax, %eax
    jz 1f
    movq 0 * 8(%rsp), %rax
    movq 1 * 8(%rsp), %rdx
    movq 3 * 8(%rsp), %rbx
    movq 6 * 8(%rsp), %rbp
    movq 12 * 8(%rsp), %r12
    movq 13 * 8(%rsp), %r13
    movq 14 * 8(%rsp), %r14
    movq 15 * 8(%rsp), %r15
    movq 16 * 8(%rsp), %rcx
    movq 7 * 8(%rsp), %rsp
    jmp *%rcx
1:  addq $REGISTERS, %rsp
    ret
    .size wasm_throw, . - wasm_throw

/* Named by the tables of functions with landing pads, as every such function must name one; never called. */
wasm_personality:
    ud2
    .size wasm_personality, . - wasm_personality

    .section .note.GNU-stack, "", %progbits
