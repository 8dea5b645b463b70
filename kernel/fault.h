/* Faults become messages. */
#ifndef KERNEL_FAULT_H
#define KERNEL_FAULT_H

#include <abi/fault.h>
#include <sched/thread.h>

/* The running thread calls its fault endpoint (for FAULT_TIMEOUT its timeout endpoint) with the fault; without one it
 * stops. */
void fault_raise(struct core *core, struct tcb *tcb, enum fault kind, word w2, word w3, word w4);

#endif
