/* The kernel ABI, part 3: object types, invocations and their arguments.
 *
 * An invocation is a Call (or Send, which drops the answer) on any capability that is not an endpoint, notification or
 * reply: the label is the invocation, message words are the arguments. Capability arguments are plain words holding a
 * cptr in the caller's CSpace; a slot is named by (CNode cptr, index), index 1 and up. The answer's label is an enum
 * error; on success the results stand in the words from 0 on. "-> n" is the number of steps done by a range invocation:
 * it may be less than asked (a bound per call), and the caller repeats with the rest.
 */
#ifndef ABI_OBJECT_H
#define ABI_OBJECT_H

#include <abi/types.h>

enum object_type {
    OBJECT_NULL = 0,
    OBJECT_UNTYPED, /* size_bits 4..47 */
    OBJECT_CNODE,   /* size_bits = slots, log2, 1..20; 32 bytes a slot; index 0 is the kernel's: it stays empty */
    OBJECT_TCB,
    OBJECT_ENDPOINT,
    OBJECT_NOTIFICATION,
    OBJECT_REPLY,
    OBJECT_SCHED_CONTEXT,
    OBJECT_TIMER,
    OBJECT_VSPACE,
    OBJECT_PAGE_TABLE,
    OBJECT_FRAME,        /* size_bits 12..30 */
    OBJECT_RETYPE_COUNT, /* types up to here can be made from untyped memory */
    OBJECT_SCHED_CONTROL = OBJECT_RETYPE_COUNT,
    OBJECT_IRQ_CONTROL,
    OBJECT_IRQ_HANDLER,
    OBJECT_IO_PORT_CONTROL, /* x86-64 */
    OBJECT_IO_PORT,         /* x86-64 */
    OBJECT_POWER_CONTROL,
    OBJECT_TYPE_COUNT
};

/* log2 of the bytes that an object of fixed size takes from its untyped (naturally aligned). */
#define OBJECT_BITS_CNODE_SLOT    5
#define OBJECT_BITS_TCB           11
#define OBJECT_BITS_ENDPOINT      5
#define OBJECT_BITS_NOTIFICATION  6
#define OBJECT_BITS_REPLY         6
#define OBJECT_BITS_SCHED_CONTEXT 9
#define OBJECT_BITS_TIMER         7
#define OBJECT_BITS_VSPACE        13
#define OBJECT_BITS_PAGE_TABLE    12

#define SCHED_EXTRA_REFILLS_MAX 23 /* SCHED_CONTROL_CONFIGURE */

enum invocation {
    INVOCATION_NONE = 0,

    /* w0 type, w1 size_bits (CNode: slots log2; untyped, frame: bytes log2; else 0), w2 CNode, w3 first index, w4 count
       -> n */
    UNTYPED_RETYPE,
    /* -> bytes free, size_bits, is_device, physical address */
    UNTYPED_DESCRIBE,

    /* Invoked on the CNode that holds the destination (or only) slot. */
    CNODE_COPY,   /* w0 index, w1 source CNode, w2 source index, w3 rights mask, w4 count -> n */
    CNODE_MINT,   /* w0 index, w1 source CNode, w2 source index, w3 rights mask, w4 badge (endpoint, notification) or
                     guard | guard_bits << 32 (CNode) */
    CNODE_MOVE,   /* w0 index, w1 source CNode, w2 source index */
    CNODE_MUTATE, /* w0 index, w1 source CNode, w2 source index, w3 badge or guard */
    CNODE_ROTATE, /* w0 destination index, w1 destination badge or 0, w2 pivot CNode, w3 pivot index, w4 pivot badge or
                     0, w5 source CNode, w6 source index */
    CNODE_DELETE, /* w0 index, w1 count -> n */
    CNODE_REVOKE, /* w0 index */
    CNODE_CANCEL_BADGED_SENDS, /* w0 index of a badged endpoint capability */

    TCB_CONFIGURE, /* w0 CSpace root, w1 VSpace, w2 IPC buffer address or 0, w3 IPC buffer frame or 0, w4 fault endpoint
                      or 0 */
    TCB_SET_SPACE, /* w0 CSpace root, w1 VSpace, w2 fault endpoint or 0 */
    TCB_SET_IPC_BUFFER,       /* w0 address, w1 frame; 0, 0 = none */
    TCB_SET_SCHED_PARAMS,     /* w0 authority TCB, w1 maximum controlled priority, w2 priority, w3 SchedContext or 0 */
    TCB_SET_PRIORITY,         /* w0 authority TCB, w1 priority */
    TCB_SET_TIMEOUT_ENDPOINT, /* w0 endpoint or 0 */
    TCB_SET_FLAGS,            /* w0 bits to clear, w1 bits to set -> flags now */
    TCB_SET_TLS_BASE,         /* w0 address */
    TCB_BIND_NOTIFICATION,    /* w0 notification */
    TCB_UNBIND_NOTIFICATION,
    TCB_SUSPEND,
    TCB_RESUME,
    TCB_READ_REGISTERS,   /* w0 1 = suspend first -> struct user_registers, from word 0 */
    TCB_WRITE_REGISTERS,  /* w0 1 = resume after, w1.. struct user_registers */
    TCB_SET_BREAKPOINT,   /* w0 number, w1 address, w2 enum breakpoint_kind, w3 bytes (1, 2, 4, 8; to execute: 0) */
    TCB_GET_BREAKPOINT,   /* w0 number -> address, kind, bytes, is set, kinds that this one can be of (bit mask) */
    TCB_UNSET_BREAKPOINT, /* w0 number */
    TCB_CONFIGURE_SINGLE_STEPPING, /* w0 instructions between two reports, 0 = off */

    SCHED_CONTROL_CONFIGURE, /* w0 SchedContext, w1 budget ns, w2 period ns (equal = round robin), w3 extra refills, w4
                                badge, w5 flags (0) */
    SCHED_CONTEXT_BIND,      /* w0 TCB or notification */
    SCHED_CONTEXT_UNBIND,
    SCHED_CONTEXT_CONSUMED, /* -> ns consumed since last asked */
    SCHED_CONTEXT_YIELD_TO, /* -> ns consumed */

    TIMER_BIND, /* w0 notification (its badge is signalled) or 0, w1 SchedContext that is charged for the expiry */
    TIMER_SET,  /* w0 absolute deadline in timer ticks */
    TIMER_CANCEL,

    PAGE_TABLE_MAP, /* w0 VSpace, w1 any address that it shall cover, w2 level of the table (1 = maps pages, 2, 3), w3
                       attributes (ATTRIBUTE_SHARED) */
    PAGE_TABLE_UNMAP,
    FRAME_MAP,         /* w0 VSpace, w1 address, w2 rights (RIGHT_READ, _WRITE, _EXEC), w3 attributes, w4 first
                          byte, w5 bytes (0, 0 = all) -> bytes done */
    FRAME_UNMAP,       /* -> bytes done */
    FRAME_GET_ADDRESS, /* -> physical address, size_bits */
    FRAME_CLEAN,       /* w0 first byte, w1 bytes: data cache clean + invalidate to coherency -> bytes done */
    FRAME_SYNC_CODE,   /* w0 first byte, w1 bytes: make written instructions visible to execution -> bytes done */

    IRQ_CONTROL_GET, /* w0 interrupt (x86-64: global system interrupt; arm64: INTID), w1 flags (IRQ_LEVEL, IRQ_LOW), w2
                        CNode, w3 index */
    IRQ_CONTROL_GET_MSI, /* x86-64: w0 CNode, w1 index -> MSI address, MSI data */
    IRQ_HANDLER_ACK,
    IRQ_HANDLER_SET_NOTIFICATION, /* w0 notification */
    IRQ_HANDLER_CLEAR,

    IO_PORT_CONTROL_ISSUE, /* w0 first port, w1 last port, w2 CNode, w3 index */
    IO_PORT_IN,            /* w0 port, w1 bytes (1, 2, 4) -> value */
    IO_PORT_OUT,           /* w0 port, w1 bytes, w2 value */

    POWER_OFF, /* w0 status 0..100, carried out of an emulator where the machine has a way */
    POWER_RESET,

    INVOCATION_COUNT
};

/* TCB flags */
#define TCB_FLAG_FP (1u << 0) /* the thread uses FP/SIMD registers; without it their use is a user exception */

#define TCB_FLAG_DEBUG (1u << 1) /* read only: breakpoints are set, or single-stepping is on */

/* What a hardware breakpoint waits for. */
enum breakpoint_kind {
    BREAKPOINT_EXECUTE = 0,
    BREAKPOINT_READ, /* arm64 only */
    BREAKPOINT_WRITE,
    BREAKPOINT_READ_WRITE,
    BREAKPOINT_KIND_COUNT
};

/* PAGE_TABLE_MAP, FRAME_MAP attributes */
#define ATTRIBUTE_UNCACHED      (1u << 0) /* device memory (nGnRE on arm64, UC on x86-64) */
#define ATTRIBUTE_WRITE_COMBINE (1u << 1)
#define ATTRIBUTE_SHARED        (1u << 2) /* PAGE_TABLE_MAP only, see below */

/* A table that the original capability (the one that retype made) maps with ATTRIBUTE_SHARED is shareable: what lies
 * below is read-only, and copies of the capability made from then on can be mapped with ATTRIBUTE_SHARED into further
 * VSpaces. Frames and tables below are mapped and unmapped through the VSpace of the original only, and the change is
 * seen by all. When the original is unmapped or deleted, or its VSpace is, the table becomes empty for all. */

#define IRQ_LEVEL (1u << 0) /* level triggered, else edge */
#define IRQ_LOW   (1u << 1) /* active low, else high */

/* A thread's registers, as TCB_READ/WRITE_REGISTERS carry them (in message words, the tail in the IPC buffer). */
#if defined(__x86_64__) || defined(ABI_FOR_X86_64)
struct user_registers {
    word rip, rsp, rflags, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, fs_base, gs_base;
};
#elif defined(__aarch64__)
struct user_registers {
    word pc, sp, spsr, x[31], tpidr;
};
#endif

#endif
