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
    FAULT_DEBUG            /* w2 reason, w3 address: single step and breakpoints */
};

#define FAULT_VM_WRITE   (1u << 0)
#define FAULT_VM_FETCH   (1u << 1)
#define FAULT_VM_PRESENT (1u << 2) /* a permission, not a missing mapping */

#endif
