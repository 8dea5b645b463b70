/* The kernel ABI, part 4: fault messages, sent as a Call on the faulting thread's fault (or timeout) endpoint.
 *
 * The label is the kind. Words 0 and 1 are always the program counter and stack pointer. Answering with label 0
 * restarts the thread at (changed) words 0 and 1; any other label leaves it stopped.
 */
#ifndef ABI_FAULT_H
#define ABI_FAULT_H

#include <abi/types.h>

enum fault {
    FAULT_NONE = 0,
    FAULT_CAPABILITY,      /* w2 cptr, w3 1 = in the receive phase, w4 enum error of the look-up */
    FAULT_UNKNOWN_SYSCALL, /* w2 number */
    FAULT_USER_EXCEPTION,  /* w2 x86-64: vector, arm64: exception class (ESR_EL1.EC); w3 x86-64: error code, arm64:
                              ESR_EL1; w4 flags register */
    FAULT_VM,              /* w2 address, w3 x86-64: page-fault error code, arm64: ESR_EL1; w4 FAULT_VM_* bits */
    FAULT_TIMEOUT,         /* w2 badge of the SchedContext, w3 ns consumed */
    FAULT_DEBUG            /* w2 enum debug_reason, w3 address, w4 number of the breakpoint */
};

/* w3 is, for a step and a breakpoint, the program counter; for a watchpoint x86-64: its address, arm64: the address
 * that was accessed. w4 is 0 for a step. */
enum debug_reason {
    DEBUG_STEP = 1,   /* TCB_CONFIGURE_SINGLE_STEPPING; x86-64: also the thread's own trap flag, and INT1 */
    DEBUG_BREAKPOINT, /* the instruction is about to be executed; an answer executes it */
    DEBUG_WATCHPOINT  /* x86-64: the access was made; arm64: it is about to be made */
};

#define FAULT_VM_WRITE   (1u << 0)
#define FAULT_VM_FETCH   (1u << 1)
#define FAULT_VM_PRESENT (1u << 2) /* a permission, not a missing mapping */

#endif
