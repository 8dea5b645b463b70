/* Entries into the kernel with every register known: each trap_* function loads all registers from file->in, does its
 * one thing, and stores what is there afterwards to file->out. For tests of what the kernel leaves in registers.
 *
 * What the registers are for is in abi/message.h; trap_role says it by number.
 */
#ifndef KERNEL_TRAP_H
#define KERNEL_TRAP_H

#include "test.h"

enum role {
    ROLE_WORD_0 = 0, /* to 7 */
    ROLE_STATUS = 8,
    ROLE_BADGE,
    ROLE_INFO,
    ROLE_KEPT,
    ROLE_LOST
};

#if defined(__x86_64__)
#define TRAP_REGISTERS 15 /* rax rbx rcx rdx rsi rdi rbp r8 .. r15 */
#define TRAP_POINTER   6  /* rbp: what trap_touch and trap_spin read through */
static const uint8_t trap_roles[TRAP_REGISTERS] = {ROLE_STATUS, 4, ROLE_LOST, 0, ROLE_INFO, ROLE_BADGE, ROLE_KEPT, 2,
                                                   3,           1, ROLE_LOST, 5, 6,         7,          ROLE_KEPT};
#else
#define TRAP_REGISTERS 31
#define TRAP_POINTER   19
static const uint8_t trap_roles[TRAP_REGISTERS] = {
    0,          1,         2,           3,         4,         5,         6,         7,
    ROLE_BADGE, ROLE_INFO, ROLE_STATUS, ROLE_LOST, ROLE_LOST, ROLE_LOST, ROLE_LOST, ROLE_LOST,
    ROLE_LOST,  ROLE_LOST, ROLE_LOST,   ROLE_KEPT, ROLE_KEPT, ROLE_KEPT, ROLE_KEPT, ROLE_KEPT,
    ROLE_KEPT,  ROLE_KEPT, ROLE_KEPT,   ROLE_KEPT, ROLE_KEPT, ROLE_KEPT, ROLE_KEPT};
#endif

struct trap_file {
    word in[TRAP_REGISTERS], out[TRAP_REGISTERS];
    word sp_before, sp_after;
    word pc_after; /* of x86-64's SYSCALL: what rcx shows */
};

typedef void trap_function(struct trap_file *file);
void trap_illegal(struct trap_file *file); /* an illegal instruction or breakpoint */
void trap_touch(struct trap_file *file);   /* reads a byte or word through TRAP_POINTER */
void trap_spin(struct trap_file *file);    /* until a word there is not 0; arm64: x20 is that word then */
#if defined(__x86_64__)
#define TRAP_ILLEGAL_BYTES 2
void trap_syscall(struct trap_file *file);
#else
#define TRAP_ILLEGAL_BYTES 4
void trap_svc_0(struct trap_file *file);
void trap_svc_1(struct trap_file *file);
void trap_svc_2(struct trap_file *file);
void trap_svc_3(struct trap_file *file);
void trap_svc_4(struct trap_file *file);
void trap_svc_5(struct trap_file *file);
void trap_svc_6(struct trap_file *file);
void trap_svc_7(struct trap_file *file);
void trap_svc_8(struct trap_file *file);
void trap_svc_9(struct trap_file *file);
#endif

/* The number of the register with that role. */
static inline unsigned trap_register(enum role role)
{
    unsigned i = 0;
    while (trap_roles[i] != role)
        i++;
    return i;
}

/* A value that is nobody else's: no address, no small number. */
static inline word trap_poison(unsigned i)
{
    return 0x5a5a000000000000ul + (i + 1) * 0x0000010101010101ul;
}

/* --- FP and SIMD registers, all of them --- */

#if defined(__x86_64__)
#define FP_BYTES 512
/* FXSAVE's image (Intel SDM 1, 10.5.1): 0..23 control, 32..159 x87, 160..415 XMM. */
static inline void fp_store(void *image)
{
    __asm__ volatile("fxsave64 (%0)" ::"r"(image) : "memory");
}
static inline void fp_load(const void *image)
{
    __asm__ volatile("fxrstor64 (%0)" ::"r"(image) : "memory");
}
#define FP_FIRST 32
#define FP_END   416
#else
#define FP_BYTES 528 /* 32 registers, FPCR, FPSR */
#define FP_VECTORS(action)                                                                                             \
    action " q0, q1, [%0]\n" action " q2, q3, [%0, #32]\n" action " q4, q5, [%0, #64]\n" action                        \
           " q6, q7, [%0, #96]\n" action " q8, q9, [%0, #128]\n" action " q10, q11, [%0, #160]\n" action               \
           " q12, q13, [%0, #192]\n" action " q14, q15, [%0, #224]\n" action " q16, q17, [%0, #256]\n" action          \
           " q18, q19, [%0, #288]\n" action " q20, q21, [%0, #320]\n" action " q22, q23, [%0, #352]\n" action          \
           " q24, q25, [%0, #384]\n" action " q26, q27, [%0, #416]\n" action " q28, q29, [%0, #448]\n" action          \
           " q30, q31, [%0, #480]\n"
static inline void fp_store(void *image)
{
    word control, status;
    __asm__ volatile(".arch_extension fp\n" FP_VECTORS("stp")::"r"(image) : "memory");
    __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(control), "=r"(status));
    ((word *)image)[64] = control;
    ((word *)image)[65] = status;
}
static inline void fp_load(const void *image)
{
    __asm__ volatile(".arch_extension fp\n" FP_VECTORS("ldp")::"r"(image) : "memory");
    __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" ::"r"(((const word *)image)[64]), "r"(((const word *)image)[65]));
}
#define FP_FIRST 0
#define FP_END   528
#endif

#endif
