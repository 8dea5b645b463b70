/* Where Linux enters, system calls, the change of stack, and returning from signals (arm64). */
    .text
    .globl _start, linux_call, linux_on_stack, linux_signal_return, linux_clone

_start:
    mov x29, #0
    mov x30, #0
    mov x0, sp
    bl linux_start
    brk #1

/* long linux_call(number, a, b, c, d, e, f) */
linux_call:
    mov x8, x0
    mov x0, x1
    mov x1, x2
    mov x2, x3
    mov x3, x4
    mov x4, x5
    mov x5, x6
    svc #0
    ret

/* void linux_on_stack(uint64_t top, void (*function)(void)): does not return. */
linux_on_stack:
    mov sp, x0
    mov x29, #0
    mov x30, #0
    blr x1
    brk #1

/* long linux_clone(uint64_t flags, uint64_t top, void *argument, uint32_t *cleared) */
linux_clone:
    mov x9, x2
    mov x4, x3
    mov x8, #220
    svc #0
    cbz x0, 1f
    ret
1:  mov x29, #0
    mov x30, #0
    mov x0, x9
    bl linux_thread_main
    brk #1

linux_signal_return:
    mov x8, #139
    svc #0

    .section .note.GNU-stack, "", %progbits
