/* The root task's first instructions: its own stack, then harness_start(boot_info). A thread's: thread_entry. */
#if defined(__x86_64__)
    .section .text.start, "ax"
    .globl _start
_start:
    lea root_stack_top(%rip), %rsp
    xor %ebp, %ebp
    call harness_start
    ud2
    /* rdi = function, rsi = argument; the stack is 16-byte aligned */
    .globl thread_entry
thread_entry:
    xor %ebp, %ebp
    mov %rdi, %rax
    mov %rsi, %rdi
    call *%rax
    call thread_end
    ud2
#else
    .section .text.start, "ax"
    .globl _start
_start:
    adrp x9, root_stack_top
    add x9, x9, :lo12:root_stack_top
    mov sp, x9
    mov x29, xzr
    mov x30, xzr
    bl harness_start
    brk #1
    .globl thread_entry
thread_entry:
    mov x9, x0
    mov x0, x1
    mov x29, xzr
    blr x9
    bl thread_end
    brk #1
#endif
    .bss
    .balign 16
root_stack:
    .skip 32768
    .globl root_stack_top
root_stack_top:
    .section .note.GNU-stack, "", %progbits
