/* Offsets in struct arch_context and struct core for entry.S; machine/thread.h and machine/core.h assert them. */
#ifndef MACHINE_CONTEXT_H
#define MACHINE_CONTEXT_H

#define CONTEXT_X(n)  (8 * (n)) /* x0 .. x30 */
#define CONTEXT_SP    248
#define CONTEXT_PC    256
#define CONTEXT_SPSR  264
#define CONTEXT_TPIDR 272
#define CONTEXT_BYTES 288

/* struct tcb and capabilities, as far as look-up in entry.S knows them; ipc/fastpath.c asserts it */
#define TCB_CSPACE_SLOTS 288
#define TCB_CSPACE_COUNT 296
#define TCB_CSPACE_ROOT  512
#define CAP_TYPE_CNODE   2
#define LOOK_UP_CNODES   8

/* struct core, through TPIDR_EL1 */
#define CORE_STACK_TOP 112

/* SPSR_EL1 (Arm ARM DDI 0487, C5.2.18). FIQ is never used; debug exceptions are for EL0 only
 * (debug.c), and SPSR_STEP stays in the context: without MDSCR_EL1.SS it does nothing. */
#define SPSR_FIQ_MASKED  (1 << 6)
#define SPSR_IRQ_MASKED  (1 << 7)
#define SPSR_SERR_MASKED (1 << 8)
#define SPSR_DBG_MASKED  (1 << 9)
#define SPSR_SSBS        (1 << 12)
#define SPSR_STEP        (1ul << 21)
#define SPSR_PAN         (1 << 22)
#define SPSR_DIT         (1 << 24)
#define SPSR_NZCV        0xf0000000
#define SPSR_EL0         0
#define SPSR_EL1T        4 /* EL1 with SP_EL0: the idle thread */

#endif
