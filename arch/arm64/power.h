/* Leaving: semihosting and PSCI. */
#ifndef ARM64_POWER_H
#define ARM64_POWER_H

#include <stdbool.h>

enum psci_conduit { PSCI_NONE, PSCI_HVC, PSCI_SMC };
void power_use(enum psci_conduit conduit);

/* Was this exception in kernel mode the answer of a machine without semihosting? */
bool is_power_probe(void);

#endif
