/* Where Linux enters, system calls, the change of stack, and returning from signals (x86-64). */
    .text
    .globl _start, linux_call, linux_on_stack, linux_signal_return, linux_clone

_start:
    xorl %ebp, %ebp
    movq %rsp, %rdi
    andq $-16, %rsp
    call linux_start
    ud2

/* long linux_call(number, a, b, c, d, e, f) */
linux_call:
    movq %rdi, %rax
    movq %rsi, %rdi
    movq %rdx, %rsi
    movq %rcx, %rdx
    movq %r8, %r10
    movq %r9, %r8
    movq 8(%rsp), %r9
    syscall
    ret

/* void linux_on_stack(uint64_t top, void (*function)(void)): does not return. */
linux_on_stack:
    movq %rdi, %rsp
    xorl %ebp, %ebp
    call *%rsi
    ud2

/* long linux_clone(uint64_t flags, uint64_t top, void *argument, uint32_t *cleared) */
linux_clone:
    movq %rdx, %r9
    movq %rcx, %r10
    movl $56, %eax
    syscall
    testq %rax, %rax
    jz 1f
    ret
1:  xorl %ebp, %ebp
    movq %r9, %rdi
    call linux_thread_main
    ud2

linux_signal_return:
    movl $15, %eax
    syscall

    .section .note.GNU-stack, "", %progbits
