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
#include "layout.h"
#include <machine/context.h>

    .arch_extension fp
    .arch_extension simd

#define EXCEPTION_SVC 0x15 /* ESR_EL1.EC (Arm ARM DDI 0487, D19.2.37) */
#define EC_SHIFT      26

/* What crash_report is told: the vector. */
#define CRASH_SYNC  0
#define CRASH_IRQ   1
#define CRASH_FIQ   2
#define CRASH_ERROR 3

/* The vectors are 0x80 bytes apart. What an exception in the kernel needs of that are three instructions; behind them
 * stands code that has nothing to do with that vector, as large as it fits: .org does not go backwards. */
.macro slot number
    .org vectors + 0x80 * \number
.endm

.macro crash_slot number kind
    slot \number
    msr tpidrro_el0, x0
    mov x0, #\kind
    b crash
.endm

/* x\from .. x\to, both included, an even number of them. */
.macro pair instruction, context, first, second
    \instruction x\first, x\second, [\context, #CONTEXT_X(\first)]
.endm

.macro pairs instruction, from, to, context
    .altmacro
    .set number, \from
    .rept (\to - \from + 1) / 2
    pair \instruction, \context, %number, %(number + 1)
    .set number, number + 2
    .endr
    .noaltmacro
.endm

.macro save from, to, context=sp
    pairs stp, \from, \to, \context
.endm

.macro restore from, to, context=sp
    pairs ldp, \from, \to, \context
.endm

/* x30, the stack pointer, pc and flags. Uses three registers. */
.macro save_state sp_el0, elr, spsr
    mrs \sp_el0, sp_el0
    mrs \elr, elr_el1
    mrs \spsr, spsr_el1
    stp x30, \sp_el0, [sp, #CONTEXT_X(30)]
    stp \elr, \spsr, [sp, #CONTEXT_PC]
.endm

.macro restore_state context, sp_el0, elr, spsr
    ldp x30, \sp_el0, [\context, #CONTEXT_X(30)]
    ldp \elr, \spsr, [\context, #CONTEXT_PC]
    msr sp_el0, \sp_el0
    msr elr_el1, \elr
    msr spsr_el1, \spsr
.endm

/* To user level; nothing beyond is executed speculatively. */
.macro return
    eret
    dsb nsh
    isb
.endm

/* Leaves \core = core and the kernel's stack loaded. */
.macro load_kernel core, scratch
    mrs \core, tpidr_el1
    ldr \scratch, [\core, #CORE_STACK_TOP]
    mov sp, \scratch
.endm

/* Everything but x16 and x17, which are saved already; leaves the kernel's stack loaded and x0 = core. */
.macro save_rest
    save 0, 15
    save 18, 29
    save_state x16, x17, x18
    load_kernel x0, x16
.endm

/* The rest of the registers, for the ordinary way: x11 to x18 as zeros. */
.macro save_words context
    save 0, 7, \context
    stp x10, xzr, [\context, #CONTEXT_X(10)]
    stp xzr, xzr, [\context, #CONTEXT_X(12)]
    stp xzr, xzr, [\context, #CONTEXT_X(14)]
    stp xzr, xzr, [\context, #CONTEXT_X(16)]
    str xzr, [\context, #CONTEXT_X(18)]
.endm

/* The function with x20 for x0 and the other registers as C has it. */
.macro call_keeping function
    mov x8, x20
    mov x9, x21
    mov x10, x22
    mov x11, x30
    mov x20, x0
    bl \function
    mov x20, x8
    mov x21, x9
    mov x22, x10
    ret x11
.endm

.macro all_pairs instruction, base
    \instruction q0, q1, [\base, #0]
    \instruction q2, q3, [\base, #32]
    \instruction q4, q5, [\base, #64]
    \instruction q6, q7, [\base, #96]
    \instruction q8, q9, [\base, #128]
    \instruction q10, q11, [\base, #160]
    \instruction q12, q13, [\base, #192]
    \instruction q14, q15, [\base, #224]
    \instruction q16, q17, [\base, #256]
    \instruction q18, q19, [\base, #288]
    \instruction q20, q21, [\base, #320]
    \instruction q22, q23, [\base, #352]
    \instruction q24, q25, [\base, #384]
    \instruction q26, q27, [\base, #416]
    \instruction q28, q29, [\base, #448]
    \instruction q30, q31, [\base, #480]
.endm

    .section .text.vectors, "ax"
    .balign 0x800
    .global vectors
vectors:
/* --- from EL1 with SP_EL0: the idle thread --- */

    crash_slot 0, CRASH_SYNC
enter_fault:
    save_rest
    mrs x1, esr_el1
    mrs x2, far_el1
    bl fault_dispatch
    b leave

    slot 1
    b enter_interrupt
    .global fastpath_resume
fastpath_resume:
    mov x1, x10
    load_kernel x0, x9
    bl fastpath_switch

    .global leave
leave:
    mrs x0, tpidr_el1
    ldr x0, [x0]                        /* core->current_context */
    mov sp, x0
    restore_state sp, x1, x2, x3
    restore 4, 29
    restore 0, 3
    return

    crash_slot 2, CRASH_FIQ
/* The fast path changed nothing; x10, where the status goes, it may have used. */
    .global fastpath_abandon
fastpath_abandon:
    mov x10, xzr
ordinary:
    load_kernel x8, x9
    ldr x9, [x8]                        /* core->current_context */
    save_words x9
    mov x0, x8
    mrs x1, esr_el1
    and x1, x1, #0xffff
    bl kernel_syscall
    b leave

    crash_slot 3, CRASH_ERROR
/* x10: the context, x8: badge, x9: info; message words in their registers. The thread stopped in a system call, so
 * what it keeps is all that its context has for it; x11 to x18 are not the last thread's. */
    .global fastpath_leave
fastpath_leave:
    mov sp, x10
    restore_state sp, x11, x12, x13
    ldr x19, [sp, #CONTEXT_X(19)]
    restore 20, 29
    mov x10, xzr                        /* ERROR_NONE */
    mov x11, xzr
    mov x12, xzr
    mov x13, xzr
    mov x14, xzr
    mov x15, xzr
    mov x16, xzr
    mov x17, xzr
    mov x18, xzr
    return

/* --- from EL1 with SP_EL1: the kernel --- */

    crash_slot 4, CRASH_SYNC
/* x19: the slot. */
    .global fastpath_invoke
fastpath_invoke:
    mov x10, xzr
    load_kernel x8, x9
    ldr x9, [x8]
    save_words x9
    mov x0, x8
    mov x1, x19
    bl kernel_invoke
    b leave

/* The idle thread: EL1 with SP_EL0, interrupts on; uses no stack and no registers. */
    .global idle_loop
idle_loop:
    wfi
    b idle_loop

    crash_slot 5, CRASH_IRQ
/* x10: the context of the thread that is next, x8: badge, x9: info; message words in their registers. */
    .global fastpath_leave_through
fastpath_leave_through:
    stp x8, x9, [x10, #CONTEXT_X(8)]
    mov x8, x10
    mov x10, xzr                        /* ERROR_NONE */
    save_words x8
    mov x10, x8
    b fastpath_resume

/* x10: the context, x8: badge, info 0. The same thread goes on: sp, pc, flags and x30 are still there. */
    .global fastpath_return
fastpath_return:
    mov sp, x10
    ldr x19, [sp, #CONTEXT_X(19)]
    restore 20, 29
    mov x9, xzr
    mov x10, xzr                        /* ERROR_NONE */
    mov x16, xzr
    mov x17, xzr
    mov x18, xzr
    return

    crash_slot 6, CRASH_FIQ
/* x0: the kind; TPIDRRO_EL0 holds x0's value. The stack may be the cause, so another one is used. crash_report returns
 * only for the one exception that power.c provokes; its caller expects all but the callee-saved registers to be lost. */
crash:
    msr tpidr_el0, x1
    mrs x1, tpidr_el1
    ldr x1, [x1, #CORE_STACK_TOP]
    add x1, x1, #(CRASH_STACK_BYTES - CONTEXT_BYTES)
    stp x2, x3, [x1, #CONTEXT_X(2)]
    mov x2, sp
    mov sp, x1
    mov x1, x0
    mrs x0, tpidrro_el0
    mrs x3, tpidr_el0
    stp x0, x3, [sp, #CONTEXT_X(0)]
    save 4, 29
    b crash_rest

    crash_slot 7, CRASH_ERROR
crash_rest:
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
    restore 20, 29, x0
    ldr x19, [x0, #CONTEXT_X(19)]
    return

/* --- from EL0: system calls, faults, interrupts --- */

    slot 8
    stp x16, x17, [sp, #CONTEXT_X(16)]
    mrs x16, esr_el1
    lsr x17, x16, #EC_SHIFT
    cmp x17, #EXCEPTION_SVC
    b.ne enter_fault
    stp x8, x9, [sp, #CONTEXT_X(8)]
    save 18, 29
    save_state x17, x19, x20
    load_kernel x9, x18
    ldr x28, [x9]                       /* core->current */
    ldp x19, x20, [x28, #TCB_CSPACE_SLOTS]
    cmp x20, w8, uxtw
    b.ls look_destination_up
    ubfiz x20, x8, #5, #32
    add x20, x19, x20
destination_found:
    ands x16, x16, #0xffff              /* SVC's immediate */
    b.eq fastpath_call
    cmp x16, #2
    b.lo reply_receive                  /* SYSCALL_REPLY_RECV = 1 */
    b.eq fastpath_send                  /* SYSCALL_SEND = 2 */
    b system_call_rest

    slot 9
enter_interrupt:
    stp x16, x17, [sp, #CONTEXT_X(16)]
    save_rest
    bl irq_dispatch
    b leave

    crash_slot 10, CRASH_FIQ
/* FP state of the fast path, which has messages in x0 to x7: x20 is struct arch_fpu; x21 and x22 are lost. */
    .global fastpath_fpu_save
fastpath_fpu_save:
    mrs x21, fpcr
    mrs x22, fpsr
    all_pairs stp, x20
    add x20, x20, #512
    stp x21, x22, [x20]
    ret

    slot 11
/* SError from EL0: an asynchronous error that a device answered to some access of the thread. */
    stp x16, x17, [sp, #CONTEXT_X(16)]
    save_rest
    mrs x1, esr_el1
    mov x2, xzr
    bl fault_dispatch
    b leave

/* --- from AArch32 at EL0, which no SPSR of ours allows --- */

    crash_slot 12, CRASH_SYNC
    .global fastpath_fpu_restore
fastpath_fpu_restore:
    all_pairs ldp, x20
    add x20, x20, #512
    ldp x21, x22, [x20]
    msr fpcr, x21
    msr fpsr, x22
    ret

    crash_slot 13, CRASH_IRQ
/* lookup_slot of kernel/lookup.c: x19: an address, x28: the thread. Gives the slot in x20; x19 and x21 to x27 are lost.
 * What it does not find is for the ordinary way to find out. */
look_up:
    add x20, x28, #TCB_CSPACE_ROOT
    lsl x19, x19, #32
    mov w21, #32                        /* bits that are left */
    mov w22, #LOOK_UP_CNODES
1:  ldp x23, x24, [x20]
    and x25, x23, #31
    cmp x25, #CAP_TYPE_CNODE
    b.ne ordinary
    lsr x25, x23, #53                   /* guard bits */
    lsr x26, x19, #1
    mvn w27, w25
    lsr x26, x26, x27
    cmp x26, x24
    b.ne ordinary
    lsl x19, x19, x25
    sub w21, w21, w25
    ubfx x25, x23, #48, #5              /* radix */
    neg w27, w25
    lsr x26, x19, x27
    orr x23, x23, #0xffff000000000000   /* the object: ARCH_KERNEL_HIGH, without the type */
    asr x23, x23, #5
    lsl x19, x19, x25
    add x23, x23, x26
    lsl x20, x23, #5
    subs w21, w21, w25
    b.gt 2f
    b.lt ordinary
    ret

    crash_slot 14, CRASH_FIQ
/* See arch/thread.h; x0 is struct arch_fpu. All zero is the initial state. */
    .global arch_fpu_save
arch_fpu_save:
    call_keeping fastpath_fpu_save
    .global arch_fpu_restore
arch_fpu_restore:
    call_keeping fastpath_fpu_restore
    crash_slot 15, CRASH_ERROR
2:  sub w22, w22, #1
    cbnz w22, 1b
    b ordinary
    .section .text.hot.entry, "ax"
/* The reply object's slot to x21. */
.macro reply_slot
    ldp x21, x22, [x28, #TCB_CSPACE_SLOTS]
    lsr x19, x8, #32
    cmp x22, x19
    b.ls 1f
    add x21, x21, x19, lsl #5
2:
    .subsection 1
1:  bl look_reply_up
    b 2b
    .previous
.endm

reply_receive:
    reply_slot
    b fastpath_reply_receive
receive:
    reply_slot
    b fastpath_wait
wait:
    mov x21, xzr                        /* without */
    b fastpath_wait

look_reply_up:
    mov x17, x30
    mov x29, x20
    bl look_up
    mov x21, x20
    mov x20, x29
    ldr x30, [x28, #CONTEXT_X(30)]      /* fastpath_return expects the user's */
    ret x17

look_destination_up:
    and x17, x16, #0xffff
    cmp x17, #8
    b.eq fastpath_yield                 /* it has none */
    mov w19, w8
    mov x29, x30                        /* fastpath_return expects the user's */
    bl look_up
    mov x30, x29
    b destination_found

system_call_rest:
    cmp x16, #7
    b.eq fastpath_nbwait                /* SYSCALL_NBWAIT = 7 */
    b.hi 1f
    cmp x16, #5
    b.hi wait                           /* SYSCALL_WAIT = 6 */
    b.eq ordinary
    cmp x16, #4
    b.lo fastpath_send                  /* SYSCALL_NBSEND = 3 */
    b receive                           /* SYSCALL_RECV = 4 */
1:  cmp x16, #8
    b.eq fastpath_yield                 /* SYSCALL_YIELD = 8 */
    b ordinary
