/* Offsets in struct arch_context and struct arch_core for entry.S; machine/thread.h and machine/core.h assert them. */
#ifndef MACHINE_CONTEXT_H
#define MACHINE_CONTEXT_H

/* struct arch_context: what a system call touches first, in two cache lines */
#define CONTEXT_RIP    0
#define CONTEXT_RSP    8
#define CONTEXT_RFLAGS 16
#define CONTEXT_TRAP   24
#define CONTEXT_RAX    32
#define CONTEXT_RDI    40
#define CONTEXT_RSI    48
#define CONTEXT_RBP    56
#define CONTEXT_R15    64
#define CONTEXT_WORDS  72 /* rdx r10 r8 r9 rbx r12 r13 r14: the message words, in this order */
#define CONTEXT_RDX    72
#define CONTEXT_R10    80
#define CONTEXT_R8     88
#define CONTEXT_R9     96
#define CONTEXT_RBX    104
#define CONTEXT_R12    112
#define CONTEXT_R13    120
#define CONTEXT_R14    128
#define CONTEXT_RCX    136
#define CONTEXT_R11    144

/* CONTEXT_TRAP: how the thread came into the kernel, and so how it leaves */
#define TRAP_SYSCALL   0 /* by SYSCALL: leaves by SYSRET, rcx and r11 are lost */
#define TRAP_INTERRUPT 1 /* by exception or interrupt, or new: leaves by IRET with every register */
#define TRAP_IDLE      2 /* the idle thread: kernel mode, has no registers worth keeping */

/* struct tcb and capabilities, as far as look-up in entry.S knows them; ipc/fastpath.c asserts it */
#define TCB_CSPACE_SLOTS 176
#define TCB_CSPACE_COUNT 184
#define TCB_CSPACE_ROOT  384
#define CAP_TYPE_CNODE   2
#define LOOK_UP_CNODES   8

/* struct core, through GS */
#define CORE_GS_CONTEXT 0
#define CORE_GS_SELF    112
#define CORE_GS_STACK   120
#define CORE_GS_SCRATCH 128

#endif
