/* Leaving the machine. See power.h and arch/machine.h.
 *
 * The verdict leaves through semihosting (Arm "Semihosting for AArch32 and AArch64", 5.5: SYS_EXIT_EXTENDED), which
 * QEMU turns into its exit status. Where nobody listens, HLT is undefined: the exception comes to crash_report, which
 * asks is_power_probe and steps over it; then PSCI (Arm DEN 0022, 5.9 and 5.11) switches the machine off. */
#include "power.h"
#include "instructions.h"

#include <arch/machine.h>

#define SYS_EXIT_EXTENDED            0x20ul
#define ADP_STOPPED_APPLICATION_EXIT 0x20026ul
#define VERDICT_OFFSET               16u /* so that no verdict looks like an exit status of QEMU's own */

#define PSCI_SYSTEM_OFF   0x84000008ul
#define PSCI_SYSTEM_RESET 0x84000009ul

/* SMC Calling Convention (Arm DEN 0028), 2.6: what a call may change. */
#define SMC_LOST                                                                                                       \
    "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17",      \
        "memory"

static enum psci_conduit psci;
static bool is_probing;

void power_use(enum psci_conduit conduit)
{
    psci = conduit;
}

bool is_power_probe(void)
{
    return is_probing;
}

static void semihosting_exit(uint64_t status)
{
    uint64_t block[2] = {ADP_STOPPED_APPLICATION_EXIT, status};
    register uint64_t operation __asm__("x0") = SYS_EXIT_EXTENDED;
    register uint64_t *argument __asm__("x1") = block;
    is_probing = true;
    __asm__ volatile("hlt #0xf000"
                     : "+r"(operation), "+r"(argument)
                     :
                     : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16",
                       "x17", "x18", "x30", "cc", "memory");
    is_probing = false;
}

static void psci_call(uint64_t function)
{
    register uint64_t x0 __asm__("x0") = function;
    if (psci == PSCI_HVC)
        __asm__ volatile("hvc #0" : "+r"(x0) : : SMC_LOST);
    else if (psci == PSCI_SMC)
        __asm__ volatile("smc #0" : "+r"(x0) : : SMC_LOST);
}

static _Noreturn void halt(void)
{
    for (;;)
        __asm__ volatile("wfi");
}

_Noreturn void arch_power_off(unsigned status)
{
    semihosting_exit(status + VERDICT_OFFSET);
    psci_call(PSCI_SYSTEM_OFF);
    halt();
}

_Noreturn void arch_power_reset(void)
{
    psci_call(PSCI_SYSTEM_RESET);
    halt();
}
