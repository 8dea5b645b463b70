/* What an exception means: faults of threads as messages (abi/fault.h), exceptions in the kernel as its end.
 *
 * Source: Arm ARM DDI 0487, D19.2.37 (ESR_EL1).
 */
#include "fault.h"
#include "instructions.h"
#include "power.h"

#include <arch/core.h>
#include <arch/thread.h>
#include <arch/upcalls.h>

#define ESR_CLASS_SHIFT       26
#define CLASS_UNKNOWN         0x00
#define CLASS_FETCH_ABORT     0x20         /* from a lower level */
#define CLASS_DATA_ABORT      0x24         /* from a lower level */
#define ESR_STATUS(esr)       ((esr)&0x3c) /* without the level */
#define STATUS_ADDRESS_SIZE   0x00
#define STATUS_TRANSLATION    0x04
#define STATUS_ACCESS_FLAG    0x08
#define STATUS_PERMISSION     0x0c
#define ESR_WRITE             (1u << 6)
#define ESR_CACHE_MAINTENANCE (1u << 8) /* those are reported as writes but need only read access */
#define INSTRUCTION_BYTES     4

static bool is_vm_status(uint64_t esr)
{
    return ESR_STATUS(esr) <= STATUS_PERMISSION;
}

static word vm_bits(uint64_t esr, uint64_t class)
{
    word bits = 0;
    if (class == CLASS_FETCH_ABORT)
        bits |= FAULT_VM_FETCH;
    else if ((esr & (ESR_WRITE | ESR_CACHE_MAINTENANCE)) == ESR_WRITE)
        bits |= FAULT_VM_WRITE;
    if (ESR_STATUS(esr) == STATUS_PERMISSION)
        bits |= FAULT_VM_PRESENT;
    return bits;
}

/* An exception of the running thread other than a system call or an interrupt; called by entry.S. Everything that is
 * not a matter of translation is an exception named by its class: external aborts and misalignment too. */
void fault_dispatch(struct core *core, uint64_t esr, uint64_t address)
{
    struct arch_context *const *current = (struct arch_context *const *)(const void *)core;
    uint64_t class = esr >> ESR_CLASS_SHIFT & 0x3f;
    if ((class == CLASS_FETCH_ABORT || class == CLASS_DATA_ABORT) && is_vm_status(esr))
        kernel_fault(core, FAULT_VM, address, esr, vm_bits(esr, class));
    else if (class == CLASS_BREAKPOINT || class == CLASS_STEP || class == CLASS_WATCHPOINT)
        debug_exception(core, *current, class, address);
    else
        kernel_fault(core, FAULT_USER_EXCEPTION, class, esr, (*current)->spsr & ~SPSR_STEP);
}

/* An exception in kernel mode; called by entry.S on the crash stack. */
void crash_report(struct arch_context *context, uint64_t kind)
{
    static const char names[][16] = {"exception", "interrupt", "fast interrupt", "system error"};
    static bool is_crashing;
    uint64_t esr = system_read(esr_el1);
    uint64_t far = system_read(far_el1);
    if (kind == 0 && esr >> ESR_CLASS_SHIFT == CLASS_UNKNOWN && is_power_probe()) {
        context->pc += INSTRUCTION_BYTES;
        return;
    }
    if (!is_crashing) {
        is_crashing = true;
        print("\n");
        for (unsigned i = 0; i < 31; i++)
            print("x%d %016lx%s", (int)i, context->x[i], i % 4 == 3 ? "\n" : "  ");
        print("sp %016lx  spsr %lx\n", context->sp, context->spsr);
    }
    kernel_crash((struct core *)system_read(tpidr_el1), names[kind], context->pc, far, esr);
}
