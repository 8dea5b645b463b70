/* Traps with every register known: see trap.h. The file's address waits on the stack. */
#define OUT (8*15)

    .macro registers action, base, at
    .set offset, \at
    .irp name, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    \action \name, offset, \base
    .set offset, offset + 8
    .endr
    .endm
    .macro load name, offset, base
    .ifnc \name, rax
    mov \offset(\base), %\name
    .endif
    .endm
    .macro store name, offset, base
    .ifnc \name, rax
    mov %\name, \offset(\base)
    .endif
    .endm

    .macro trap name, instructions:vararg
    .globl \name
\name:
    .irp saved, rbx, rbp, r12, r13, r14, r15
    push %\saved
    .endr
    push %rdi
    mov %rdi, %rax
    mov %rsp, 8 * 30(%rax)
    registers load, %rax, 0
    mov (%rax), %rax
    \instructions
8:  push %rax
    mov 8(%rsp), %rax
    registers store, %rax, OUT
    pop %rcx
    mov %rcx, OUT(%rax)
    mov %rsp, 8 * 31(%rax)
    lea 8b(%rip), %rcx
    mov %rcx, 8 * 32(%rax)
    pop %rdi
    .irp saved, r15, r14, r13, r12, rbp, rbx
    pop %\saved
    .endr
    ret
    .endm

    .macro spin
7:  cmpq $0, (%rbp)
    je 7b
    .endm

    .text
    trap trap_syscall, syscall
    trap trap_illegal, ud2
    trap trap_touch, testb $0, (%rbp)
    trap trap_spin, spin

    .section .note.GNU-stack, "", %progbits
