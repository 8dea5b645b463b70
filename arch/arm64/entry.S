/* Exceptions in, exceptions out.
 *
 * While a thread runs, SP_EL1 is the address of its struct arch_context, so that entry saves straight into it; the
 * kernel's own stack is empty then and is loaded from the core. The idle thread runs at EL1 with SP_EL0, which gives it
 * vectors of its own: whatever comes to the vectors of EL1 with SP_EL1 happened inside the kernel, which runs with
 * interrupts masked, and is a crash.
 *
 * Way out: `leave` restores the whole context of core->current_context. A system call stores zeros for x11..x18, so
 * nothing of the kernel is ever left in a register.
 */
#include <machine/context.h>

#define EXCEPTION_SVC 0x15 /* ESR_EL1.EC (Arm ARM DDI 0487, D19.2.37) */
#define EC_SHIFT      26

/* What crash_report is told: the vector. */
#define CRASH_SYNC  0
#define CRASH_IRQ   1
#define CRASH_FIQ   2
#define CRASH_ERROR 3

.macro vector
    .balign 0x80
.endm

.macro crash_vector kind
    .balign 0x80
    msr tpidrro_el0, x0
    mov x0, #\kind
    b crash
.endm

/* x16 and x17 are saved already; leaves the kernel's stack loaded and x0 = core. */
.macro save_rest
    stp x0, x1, [sp, #CONTEXT_X(0)]
    stp x2, x3, [sp, #CONTEXT_X(2)]
    stp x4, x5, [sp, #CONTEXT_X(4)]
    stp x6, x7, [sp, #CONTEXT_X(6)]
    stp x8, x9, [sp, #CONTEXT_X(8)]
    stp x10, x11, [sp, #CONTEXT_X(10)]
    stp x12, x13, [sp, #CONTEXT_X(12)]
    stp x14, x15, [sp, #CONTEXT_X(14)]
    stp x18, x19, [sp, #CONTEXT_X(18)]
    stp x20, x21, [sp, #CONTEXT_X(20)]
    stp x22, x23, [sp, #CONTEXT_X(22)]
    stp x24, x25, [sp, #CONTEXT_X(24)]
    stp x26, x27, [sp, #CONTEXT_X(26)]
    stp x28, x29, [sp, #CONTEXT_X(28)]
    mrs x16, sp_el0
    mrs x17, elr_el1
    mrs x18, spsr_el1
    stp x30, x16, [sp, #CONTEXT_X(30)]
    stp x17, x18, [sp, #CONTEXT_PC]
    mrs x0, tpidr_el1
    ldr x16, [x0, #CORE_STACK_TOP]
    mov sp, x16
.endm

    .section .text.vectors, "ax"
    .balign 0x800
    .global vectors
vectors:
    /* From EL1 with SP_EL0: the idle thread. */
    crash_vector CRASH_SYNC
    vector
    b enter_interrupt
    crash_vector CRASH_FIQ
    crash_vector CRASH_ERROR

    /* From EL1 with SP_EL1: the kernel. */
    crash_vector CRASH_SYNC
    crash_vector CRASH_IRQ
    crash_vector CRASH_FIQ
    crash_vector CRASH_ERROR

    /* From EL0: system calls, faults, interrupts. */
    vector
    stp x16, x17, [sp, #CONTEXT_X(16)]
    mrs x16, esr_el1
    lsr x17, x16, #EC_SHIFT
    cmp x17, #EXCEPTION_SVC
    b.ne enter_fault
    stp x0, x1, [sp, #CONTEXT_X(0)]
    stp x2, x3, [sp, #CONTEXT_X(2)]
    stp x4, x5, [sp, #CONTEXT_X(4)]
    stp x6, x7, [sp, #CONTEXT_X(6)]
    stp x8, x9, [sp, #CONTEXT_X(8)]
    stp x10, xzr, [sp, #CONTEXT_X(10)]
    stp xzr, xzr, [sp, #CONTEXT_X(12)]
    stp xzr, xzr, [sp, #CONTEXT_X(14)]
    stp xzr, xzr, [sp, #CONTEXT_X(16)]
    stp xzr, x19, [sp, #CONTEXT_X(18)]
    stp x20, x21, [sp, #CONTEXT_X(20)]
    stp x22, x23, [sp, #CONTEXT_X(22)]
    stp x24, x25, [sp, #CONTEXT_X(24)]
    stp x26, x27, [sp, #CONTEXT_X(26)]
    stp x28, x29, [sp, #CONTEXT_X(28)]
    mrs x17, sp_el0
    mrs x18, elr_el1
    mrs x19, spsr_el1
    stp x30, x17, [sp, #CONTEXT_X(30)]
    stp x18, x19, [sp, #CONTEXT_PC]
    mrs x0, tpidr_el1
    ldr x17, [x0, #CORE_STACK_TOP]
    mov sp, x17
    and x1, x16, #0xffff                /* SVC's immediate */
    adr x30, leave
    b kernel_syscall
    vector
    b enter_interrupt
    crash_vector CRASH_FIQ
    vector
    b enter_error

    /* From AArch32 at EL0, which no SPSR of ours allows. */
    crash_vector CRASH_SYNC
    crash_vector CRASH_IRQ
    crash_vector CRASH_FIQ
    crash_vector CRASH_ERROR

    .text
    .balign 64
    .global leave
leave:
    mrs x0, tpidr_el1
    ldr x0, [x0]                        /* core->current_context */
    mov sp, x0
    ldp x30, x1, [sp, #CONTEXT_X(30)]
    ldp x2, x3, [sp, #CONTEXT_PC]
    msr sp_el0, x1
    msr elr_el1, x2
    msr spsr_el1, x3
    ldp x4, x5, [sp, #CONTEXT_X(4)]
    ldp x6, x7, [sp, #CONTEXT_X(6)]
    ldp x8, x9, [sp, #CONTEXT_X(8)]
    ldp x10, x11, [sp, #CONTEXT_X(10)]
    ldp x12, x13, [sp, #CONTEXT_X(12)]
    ldp x14, x15, [sp, #CONTEXT_X(14)]
    ldp x16, x17, [sp, #CONTEXT_X(16)]
    ldp x18, x19, [sp, #CONTEXT_X(18)]
    ldp x20, x21, [sp, #CONTEXT_X(20)]
    ldp x22, x23, [sp, #CONTEXT_X(22)]
    ldp x24, x25, [sp, #CONTEXT_X(24)]
    ldp x26, x27, [sp, #CONTEXT_X(26)]
    ldp x28, x29, [sp, #CONTEXT_X(28)]
    ldp x2, x3, [sp, #CONTEXT_X(2)]
    ldp x0, x1, [sp, #CONTEXT_X(0)]
    eret
    dsb nsh                             /* nothing beyond is executed speculatively */
    isb

enter_interrupt:
    stp x16, x17, [sp, #CONTEXT_X(16)]
    save_rest
    bl irq_dispatch
    b leave

enter_fault:
    save_rest
    mrs x1, esr_el1
    mrs x2, far_el1
    bl fault_dispatch
    b leave

/* SError from EL0: an asynchronous error that a device answered to some access of the thread. */
enter_error:
    stp x16, x17, [sp, #CONTEXT_X(16)]
    save_rest
    mrs x1, esr_el1
    mov x2, xzr
    bl fault_dispatch
    b leave

/* x0: the kind; TPIDRRO_EL0 holds x0's value. The stack may be the cause, so another one is used. crash_report returns
 * only for the one exception that power.c provokes; its caller expects all but the callee-saved registers to be lost. */
crash:
    msr tpidr_el0, x1
    adrp x1, crash_stack_top
    add x1, x1, :lo12:crash_stack_top
    sub x1, x1, #CONTEXT_BYTES
    stp x2, x3, [x1, #CONTEXT_X(2)]
    mov x2, sp
    mov sp, x1
    mov x1, x0
    mrs x0, tpidrro_el0
    mrs x3, tpidr_el0
    stp x0, x3, [sp, #CONTEXT_X(0)]
    stp x4, x5, [sp, #CONTEXT_X(4)]
    stp x6, x7, [sp, #CONTEXT_X(6)]
    stp x8, x9, [sp, #CONTEXT_X(8)]
    stp x10, x11, [sp, #CONTEXT_X(10)]
    stp x12, x13, [sp, #CONTEXT_X(12)]
    stp x14, x15, [sp, #CONTEXT_X(14)]
    stp x16, x17, [sp, #CONTEXT_X(16)]
    stp x18, x19, [sp, #CONTEXT_X(18)]
    stp x20, x21, [sp, #CONTEXT_X(20)]
    stp x22, x23, [sp, #CONTEXT_X(22)]
    stp x24, x25, [sp, #CONTEXT_X(24)]
    stp x26, x27, [sp, #CONTEXT_X(26)]
    stp x28, x29, [sp, #CONTEXT_X(28)]
    stp x30, x2, [sp, #CONTEXT_X(30)]
    mrs x2, elr_el1
    mrs x3, spsr_el1
    stp x2, x3, [sp, #CONTEXT_PC]
    mov x0, sp
    mov x19, sp
    bl crash_report
    ldp x2, x3, [x19, #CONTEXT_PC]
    msr elr_el1, x2
    msr spsr_el1, x3
    ldp x30, x2, [x19, #CONTEXT_X(30)]
    mov sp, x2
    mov x0, x19
    ldp x20, x21, [x0, #CONTEXT_X(20)]
    ldp x22, x23, [x0, #CONTEXT_X(22)]
    ldp x24, x25, [x0, #CONTEXT_X(24)]
    ldp x26, x27, [x0, #CONTEXT_X(26)]
    ldp x28, x29, [x0, #CONTEXT_X(28)]
    ldr x19, [x0, #CONTEXT_X(19)]
    eret
    dsb nsh
    isb

/* The idle thread: EL1 with SP_EL0, interrupts on; uses no stack and no registers. */
    .global idle_loop
idle_loop:
    wfi
    b idle_loop
