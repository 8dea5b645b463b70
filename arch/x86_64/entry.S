/* All ways from user mode into the kernel and back.
 *
 * A way in saves the user's registers in *core->current_context, takes the core's kernel stack from its top and calls
 * one C function; when that returns, leave_kernel restores whatever thread is current_context by then. Nothing else is
 * kept on the stack, so it is the same for every thread. Interrupts are off throughout (interrupt gates; SFMASK).
 *
 *   SYSCALL ------> syscall_entry -------> kernel_syscall ----+
 *   vector >= 32 -> interrupt_common ----> interrupt_arrived -+-> leave_kernel -> SYSRET, IRET or idle
 *   vector < 32 --> exception_common ----> exception_arrived -+
 *   exception in kernel mode, NMI, #DF, #MC --> exception_fatal (does not return)
 *
 * GS base is the user's outside and the core's inside; the other one waits in IA32_KERNEL_GS_BASE. Only a change of
 * privilege swaps them. NMI, #DF and #MC can come between a way in and its SWAPGS (or between SWAPGS and the way out):
 * they set GS base from the word at the top of their own stack and never return.
 *
 * Sources: Intel SDM vol. 2 SYSCALL, SYSRET, SWAPGS, IRET; vol. 3, 6.12.1 and 6.14. SYSRET and IRET with a non-canonical
 * rip fault in kernel mode with the user's stack or GS on Intel CPUs: so rip is canonical by then. After SYSCALL that
 * holds because the highest user page is never mapped; everything else goes through context_safe_address or through the
 * sign extension in leave_iret.
 */
#include "layout.h"
#include "include/machine/context.h"

#define RFLAGS_TF 0x100

    .section .text.hot.entry, "ax"
    .code64

    .macro SAVE_WORDS context
    mov %rdx, CONTEXT_RDX(\context)
    mov %r10, CONTEXT_R10(\context)
    mov %r8, CONTEXT_R8(\context)
    mov %r9, CONTEXT_R9(\context)
    mov %rbx, CONTEXT_RBX(\context)
    mov %r12, CONTEXT_R12(\context)
    mov %r13, CONTEXT_R13(\context)
    mov %r14, CONTEXT_R14(\context)
    .endm

    .balign 64
    .global syscall_entry
syscall_entry:
    swapgs
    mov %rsp, %gs:CORE_GS_SCRATCH
    mov %gs:CORE_GS_CONTEXT, %rsp
    mov %rcx, CONTEXT_RIP(%rsp)
    mov %gs:CORE_GS_SCRATCH, %rcx
    mov %rcx, CONTEXT_RSP(%rsp)
    mov %r11, CONTEXT_RFLAGS(%rsp)
    movq $TRAP_SYSCALL, CONTEXT_TRAP(%rsp)
    mov %rax, CONTEXT_RAX(%rsp)
    mov %rdi, CONTEXT_RDI(%rsp)
    mov %rsi, CONTEXT_RSI(%rsp)
    mov %rbp, CONTEXT_RBP(%rsp)
    mov %r15, CONTEXT_R15(%rsp)
    mov %rsp, %r11
    mov %gs:CORE_GS_STACK, %rsp

/* See arch/fastpath.h: the destination's slot to r15, in the common shape of a CSpace at once. */
    mov %edi, %r15d
    cmp TCB_CSPACE_COUNT(%r11), %r15
    jae look_destination_up
    shl $5, %r15
    add TCB_CSPACE_SLOTS(%r11), %r15
destination_found:
    test %rax, %rax                     /* SYSCALL_CALL */
    jz fastpath_call
    cmp $2, %rax
    jb reply_receive                    /* SYSCALL_REPLY_RECV = 1 */
    je fastpath_send                    /* SYSCALL_SEND = 2 */
    cmp $7, %rax
    je fastpath_nbwait                  /* SYSCALL_NBWAIT = 7 */
    ja 1f
    cmp $5, %rax
    ja wait                             /* SYSCALL_WAIT = 6 */
    je fastpath_abandon
    cmp $4, %rax
    jb fastpath_send                    /* SYSCALL_NBSEND = 3 */
    jmp receive                         /* SYSCALL_RECV = 4 */
1:  cmp $8, %rax
    je fastpath_yield                   /* SYSCALL_YIELD = 8 */

/* The fast path changed nothing: the ordinary way, for which the message words are saved. */
    .global fastpath_abandon
fastpath_abandon:
    mov %gs:CORE_GS_CONTEXT, %rcx
    SAVE_WORDS %rcx
    mov %gs:CORE_GS_SELF, %rdi
    mov CONTEXT_RAX(%rcx), %rsi
    mov %gs:CORE_GS_STACK, %rsp
    call kernel_syscall
    jmp leave_kernel

/* The reply object's slot to rax. */
    .macro REPLY_SLOT
    mov %rdi, %rax
    shr $32, %rax
    cmp TCB_CSPACE_COUNT(%r11), %rax
    jae 1f
    shl $5, %rax
    add TCB_CSPACE_SLOTS(%r11), %rax
2:
    .subsection 1
1:  call look_reply_up
    jmp 2b
    .previous
    .endm

reply_receive:
    REPLY_SLOT
    jmp fastpath_reply_receive
receive:
    REPLY_SLOT
    jmp fastpath_wait
wait:
    xor %eax, %eax                      /* without */
    jmp fastpath_wait

look_reply_up:
    push %r15
    mov %rax, %r15
    call look_up
    mov %r15, %rax
    pop %r15
    ret

look_destination_up:
    cmp $8, %rax
    je fastpath_yield                   /* it has none */
    call look_up
    mov CONTEXT_RAX(%r11), %rax
    jmp destination_found

/* lookup_slot of kernel/lookup.c: r15: an address, which stands left-aligned, r11: the thread. Gives the slot in r15 and keeps
 * r11 and rdi. What it does not find is for the ordinary way to find out. */
look_up:
    push %rdi
    add $TCB_CSPACE_ROOT, %r11
    shl $32, %r15
    mov $32, %ebp                       /* bits that are left */
    mov $LOOK_UP_CNODES, %edi
1:  mov (%r11), %rax
    mov %eax, %ecx
    and $31, %ecx
    cmp $CAP_TYPE_CNODE, %ecx
    jne fastpath_abandon
    mov %rax, %rcx
    shr $53, %rcx                       /* guard bits */
    jz 2f
    sub %ecx, %ebp
    xor %esi, %esi
    shld %cl, %r15, %rsi
    shl %cl, %r15
    cmp 8(%r11), %rsi
    jne fastpath_abandon
2:  mov %rax, %rcx
    shr $48, %rcx
    and $31, %ecx                       /* radix */
    xor %esi, %esi
    shld %cl, %r15, %rsi
    shl %cl, %r15
    shl $16, %rax                       /* the object: its address is sign-extended, and without the type */
    sar $21, %rax
    add %rsi, %rax
    shl $5, %rax
    mov %rax, %r11
    sub %ecx, %ebp
    jz 3f
    jl fastpath_abandon
    dec %edi
    jnz 1b
    jmp fastpath_abandon
3:  mov %r11, %r15
    pop %rdi
    mov %gs:CORE_GS_CONTEXT, %r11
    ret

/* rsi: the slot. */
    .global fastpath_invoke
fastpath_invoke:
    mov %gs:CORE_GS_CONTEXT, %rcx
    SAVE_WORDS %rcx
    mov %gs:CORE_GS_SELF, %rdi
    mov %gs:CORE_GS_STACK, %rsp
    call kernel_invoke
    jmp leave_kernel

/* rcx: the context of the thread that is next, rdi: badge, rsi: info; message words in their registers. */
    .global fastpath_leave_through
fastpath_leave_through:
    SAVE_WORDS %rcx
    mov %rdi, CONTEXT_RDI(%rcx)
    mov %rsi, CONTEXT_RSI(%rcx)
    movq $0, CONTEXT_RAX(%rcx)          /* ERROR_NONE */
    .global fastpath_resume
fastpath_resume:
    mov %gs:CORE_GS_SELF, %rdi
    mov %rcx, %rsi
    mov %gs:CORE_GS_STACK, %rsp
    call fastpath_switch

    .global leave_kernel
leave_kernel:
    mov %gs:CORE_GS_CONTEXT, %rsp
    cmpl $TRAP_SYSCALL, CONTEXT_TRAP(%rsp)
    jne leave_iret
    mov CONTEXT_RAX(%rsp), %rax
    mov CONTEXT_RDI(%rsp), %rdi
    mov CONTEXT_RSI(%rsp), %rsi
    mov CONTEXT_RBP(%rsp), %rbp
    mov CONTEXT_R15(%rsp), %r15
    mov CONTEXT_RDX(%rsp), %rdx
    mov CONTEXT_R10(%rsp), %r10
    mov CONTEXT_R8(%rsp), %r8
    mov CONTEXT_R9(%rsp), %r9
    mov CONTEXT_RBX(%rsp), %rbx
    mov CONTEXT_R12(%rsp), %r12
    mov CONTEXT_R13(%rsp), %r13
    mov CONTEXT_R14(%rsp), %r14
    mov CONTEXT_RIP(%rsp), %rcx
    mov CONTEXT_RFLAGS(%rsp), %r11
    mov CONTEXT_RSP(%rsp), %rsp
    swapgs
    sysretq

/* rcx: the context, rdi: badge, rsi: info; message words in their registers. The thread stopped in a system call, so
 * what it keeps is all that its context has for it. */
    .global fastpath_leave
fastpath_leave:
    mov CONTEXT_RBP(%rcx), %rbp
    mov CONTEXT_R15(%rcx), %r15
    mov CONTEXT_RFLAGS(%rcx), %r11
    mov CONTEXT_RSP(%rcx), %rsp
    mov CONTEXT_RIP(%rcx), %rcx
    xor %eax, %eax                      /* ERROR_NONE */
    swapgs
    sysretq

leave_iret:
    mov %rsp, %rax
    mov %gs:CORE_GS_STACK, %rsp
    cmpl $TRAP_IDLE, CONTEXT_TRAP(%rax)
    je idle
    pushq $SELECTOR_USER_DATA
    pushq CONTEXT_RSP(%rax)
    pushq CONTEXT_RFLAGS(%rax)
    pushq $SELECTOR_USER_CODE
    mov CONTEXT_RIP(%rax), %rcx
    shl $16, %rcx
    sar $16, %rcx
    push %rcx
    mov CONTEXT_RDI(%rax), %rdi
    mov CONTEXT_RSI(%rax), %rsi
    mov CONTEXT_RBP(%rax), %rbp
    mov CONTEXT_R15(%rax), %r15
    mov CONTEXT_RDX(%rax), %rdx
    mov CONTEXT_R10(%rax), %r10
    mov CONTEXT_R8(%rax), %r8
    mov CONTEXT_R9(%rax), %r9
    mov CONTEXT_RBX(%rax), %rbx
    mov CONTEXT_R12(%rax), %r12
    mov CONTEXT_R13(%rax), %r13
    mov CONTEXT_R14(%rax), %r14
    mov CONTEXT_RCX(%rax), %rcx
    mov CONTEXT_R11(%rax), %r11
    mov CONTEXT_RAX(%rax), %rax
    swapgs
    iretq

/* STI takes effect after HLT has begun, so no interrupt falls between the two. */
idle:
    sti
    hlt
    cli
    jmp idle

/* Saves the user's registers from an exception or interrupt. On entry the stack holds, at `frame` and up: rip, cs, rflags,
 * rsp, ss; below that only words of ours. Leaves rdi = core and the kernel stack empty. */
    .macro SAVE_USER frame
    swapgs
    push %rax
    mov %gs:CORE_GS_CONTEXT, %rax
    mov %rdi, CONTEXT_RDI(%rax)
    mov %rsi, CONTEXT_RSI(%rax)
    mov %rbp, CONTEXT_RBP(%rax)
    mov %r15, CONTEXT_R15(%rax)
    mov %rdx, CONTEXT_RDX(%rax)
    mov %r10, CONTEXT_R10(%rax)
    mov %r8, CONTEXT_R8(%rax)
    mov %r9, CONTEXT_R9(%rax)
    mov %rbx, CONTEXT_RBX(%rax)
    mov %r12, CONTEXT_R12(%rax)
    mov %r13, CONTEXT_R13(%rax)
    mov %r14, CONTEXT_R14(%rax)
    mov %rcx, CONTEXT_RCX(%rax)
    mov %r11, CONTEXT_R11(%rax)
    pop %rcx
    mov %rcx, CONTEXT_RAX(%rax)
    mov \frame(%rsp), %rcx
    mov %rcx, CONTEXT_RIP(%rax)
    mov \frame+16(%rsp), %rcx
    mov %rcx, CONTEXT_RFLAGS(%rax)
    mov \frame+24(%rsp), %rcx
    mov %rcx, CONTEXT_RSP(%rax)
    movq $TRAP_INTERRUPT, CONTEXT_TRAP(%rax)
    mov %gs:CORE_GS_SELF, %rdi
    .endm

/* The stack: vector (sign-extended), rip, cs, rflags, rsp, ss. From kernel mode only the idle loop can be interrupted. */
interrupt_common:
    clac
    cld
    testb $3, 16(%rsp)
    jz 1f
    SAVE_USER 8
    movzbl (%rsp), %esi
    mov %gs:CORE_GS_STACK, %rsp
    call interrupt_arrived
    jmp leave_kernel
1:  movzbl (%rsp), %esi
    mov %gs:CORE_GS_SELF, %rdi
    mov %gs:CORE_GS_STACK, %rsp
    call interrupt_arrived
    jmp leave_kernel

/* The stack: vector, error code (0 where the CPU gives none), rip, cs, rflags, rsp, ss. */
exception_common:
    clac
    cld
    testb $3, 24(%rsp)
    jz exception_in_kernel
    SAVE_USER 16
    mov (%rsp), %rsi
    mov 8(%rsp), %rdx
    mov %gs:CORE_GS_STACK, %rsp
    call exception_arrived
    jmp leave_kernel

/* MOV SS or POP SS in front of SYSCALL can delay a user's #DB to the first kernel instruction, before SWAPGS and with
 * the user's stack (CVE-2018-8897): #DB has a stack of its own, and from kernel mode is disarmed and ignored. DR7 stays:
 * it names no address of the kernel's. */
debug_common:
    testb $3, 24(%rsp)
    jnz exception_common
    andq $~RFLAGS_TF, 32(%rsp)
    push %rax
    xor %eax, %eax
    mov %rax, %db6
    pop %rax
    add $16, %rsp
    iretq

/* NMI, #DF, #MC. The core's address stands above the CPU's frame, at the top of this stack. */
severe_common:
    clac
    cld
    push %rax
    mov 64(%rsp), %rax
    wrgsbase %rax
    pop %rax
exception_in_kernel:
    push %r15
    push %r14
    push %r13
    push %r12
    push %r11
    push %r10
    push %r9
    push %r8
    push %rbp
    push %rdi
    push %rsi
    push %rdx
    push %rcx
    push %rbx
    push %rax
    mov %gs:CORE_GS_SELF, %rdi
    mov %rsp, %rsi
    and $-16, %rsp
    call exception_fatal

/* One entry for each vector, as short as they get: their short jumps lead to a long one nearby. */
    .section .text.vectors, "ax"
    .balign 8
    .global exception_entries, interrupt_entries

    .macro EXCEPTION_ENTRY target
    .org exception_entries + EXCEPTION_ENTRY_BYTES * vector + EXCEPTION_GROUP_GAP * (vector / EXCEPTION_GROUP)
    .if (0x60227d00 >> vector) & 1 == 0     /* 8, 10..14, 17, 21, 29, 30 push an error code */
    push $0
    .endif
    push $vector
    .byte 0xeb                              /* jmp rel8 */
    .byte \target - . - 1
    .set vector, vector + 1
    .endm

    .macro EXCEPTION_ENTRIES to
    .rept \to - vector
    .if vector == 1
    EXCEPTION_ENTRY debug_near
    .elseif vector == 2 || vector == 8 || vector == 18
    EXCEPTION_ENTRY severe_near
    .else
    EXCEPTION_ENTRY exception_near
    .endif
    .endr
    .endm

exception_entries:
    .set vector, 0
    EXCEPTION_ENTRIES EXCEPTION_GROUP
debug_near:
    jmp debug_common
severe_near:
    jmp severe_common
exception_near:
    jmp exception_common
    EXCEPTION_ENTRIES EXCEPTION_VECTORS

    .balign 8
interrupt_entries:
    .rept INTERRUPT_GROUPS
    .rept INTERRUPT_GROUP
    .byte 0x6a, vector & 0xff               /* push imm8 */
    .byte 0xeb                              /* jmp rel8 */
    .byte 1f - . - 1
    .set vector, vector + 1
    .endr
1:  jmp interrupt_common
    .balign 8
    .endr
