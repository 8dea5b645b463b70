/* What an arm64 program may not do at EL0. Source: Arm Architecture Reference Manual (DDI 0487), C5 (system
 * instructions and their accessibility), D13 (system registers).
 */
#include "outlaw.h"
#include "tessera/server.h"

const uint64_t kernel_addresses[] = {
    0xffff000000000000, 0xffff000040080000, 0xffff800000000000, 0xffffff8000000000,
    0xfffffffffffffff8, 0x0001000000000000, 0x7fff000000000000, /* the last two belong to neither half */
};
const unsigned kernel_address_count = sizeof(kernel_addresses) / sizeof(kernel_addresses[0]);

int jump_to(uint64_t address)
{
    __asm__ volatile("blr %0" : : "r"(address) : "memory", "cc", "x30");
    return 1;
}

#define DEED(name, result, text)                                                                                       \
    static int name(uint64_t argument)                                                                                 \
    {                                                                                                                  \
        register uint64_t x0 __asm__("x0") = argument;                                                                 \
        __asm__ volatile(text : "+r"(x0) : : "memory", "cc", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9");    \
        return result;                                                                                                 \
    }

/* What must not come back, and what may: then it has done no harm. */
#define INSTRUCTION(name, text) DEED(name, 1, text)
#define HARMLESS(name, text)    DEED(name, 0, text)

#define READ_REGISTER(name)  INSTRUCTION(do_read_##name, "mrs x0, " #name)
#define WRITE_REGISTER(name) INSTRUCTION(do_write_##name, "msr " #name ", x0\n isb")

READ_REGISTER(sctlr_el1)
READ_REGISTER(ttbr0_el1)
READ_REGISTER(ttbr1_el1)
READ_REGISTER(tcr_el1)
READ_REGISTER(vbar_el1)
READ_REGISTER(esr_el1)
READ_REGISTER(far_el1)
READ_REGISTER(elr_el1)
READ_REGISTER(spsr_el1)
READ_REGISTER(tpidr_el1)
READ_REGISTER(currentel)
READ_REGISTER(daif)
READ_REGISTER(mpidr_el1)
READ_REGISTER(cntkctl_el1)
READ_REGISTER(cntp_ctl_el0)
HARMLESS(do_read_pmccntr_el0, "mrs x0, pmccntr_el0")
HARMLESS(do_read_ctr_el0, "mrs x0, ctr_el0")
HARMLESS(do_read_dczid_el0, "mrs x0, dczid_el0")
WRITE_REGISTER(sctlr_el1)
WRITE_REGISTER(ttbr0_el1)
WRITE_REGISTER(ttbr1_el1)
WRITE_REGISTER(vbar_el1)
WRITE_REGISTER(elr_el1)
WRITE_REGISTER(spsr_el1)
WRITE_REGISTER(tpidr_el1)
WRITE_REGISTER(cntkctl_el1)
WRITE_REGISTER(cntp_cval_el0)
WRITE_REGISTER(cntv_ctl_el0)
HARMLESS(do_write_pmcr_el0, "msr pmcr_el0, x0")
WRITE_REGISTER(mdscr_el1)

INSTRUCTION(do_mask, "msr daifset, #15")
INSTRUCTION(do_unmask, "msr daifclr, #15")
INSTRUCTION(do_spsel, "msr spsel, #1")
INSTRUCTION(do_pan, "msr pan, #0")
INSTRUCTION(do_eret, "eret")
INSTRUCTION(do_hvc, "hvc #0")
INSTRUCTION(do_smc, "smc #0")
INSTRUCTION(do_hlt, "hlt #0xf000")
INSTRUCTION(do_brk, "brk #0")
#define SYSTEM_CALL(name, number) INSTRUCTION(name, "mov x8, #-1\n mov x9, #-1\n svc #" #number)
SYSTEM_CALL(do_svc_9, 9)
SYSTEM_CALL(do_svc_15, 15)
SYSTEM_CALL(do_svc_18, 18)
SYSTEM_CALL(do_svc_255, 255)
SYSTEM_CALL(do_svc_32768, 32768)
SYSTEM_CALL(do_svc_65535, 65535)
HARMLESS(do_svc_debug, "svc #17")
HARMLESS(do_wfi, "wfi")
HARMLESS(do_wfe, "sev\n wfe")
INSTRUCTION(do_ic_iallu, "ic iallu")
INSTRUCTION(do_ic_ialluis, "ic ialluis")
INSTRUCTION(do_ic_ivau, "ic ivau, x0")
INSTRUCTION(do_dc_ivac, "mov x0, sp\n dc ivac, x0")
INSTRUCTION(do_dc_isw, "dc isw, x0")
INSTRUCTION(do_dc_cisw, "dc cisw, x0")
INSTRUCTION(do_dc_civac, "dc civac, x0")
INSTRUCTION(do_dc_zva, "dc zva, x0")
INSTRUCTION(do_tlbi_all, "tlbi vmalle1")
INSTRUCTION(do_tlbi_shared, "tlbi vmalle1is")
INSTRUCTION(do_tlbi_address, "tlbi vae1, x0")
INSTRUCTION(do_at, "at s1e1r, x0")
INSTRUCTION(do_undefined, ".inst 0x00000000")
INSTRUCTION(do_implementation, "mrs x0, s3_0_c15_c0_0")
INSTRUCTION(do_bad_stack, "mov x1, sp\n mov sp, x0\n ldr x0, [sp]\n mov sp, x1")
INSTRUCTION(do_bad_stack_brk, "mov sp, x0\n brk #0")
HARMLESS(do_odd_stack, "mov x1, sp\n sub sp, sp, #4\n ldr x0, [sp]\n mov sp, x1")
INSTRUCTION(do_odd_jump, "adr x0, 1f\n add x0, x0, #2\n br x0\n 1: nop\n nop")
INSTRUCTION(do_odd_exclusive, "mov x0, sp\n add x0, x0, #1\n ldxr x1, [x0]")
HARMLESS(do_fpcr, "mov x0, #0x1f00\n msr fpcr, x0")

/* A system call with the stack pointer in the kernel's half. */
static int syscall_on_kernel_stack(uint64_t stack)
{
    __asm__ volatile("mov x20, sp\n mov sp, %0\n mov x8, #0\n mov x9, #0\n svc %1\n mov sp, x20"
                     :
                     : "r"(stack), "i"(SYSCALL_YIELD)
                     : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
                       "x15", "x16", "x17", "x18", "x20", "cc", "memory");
    return 0;
}

#define KERNEL 0xffff000040080000

const struct deed machine_deeds[] = {
    {"reading SCTLR_EL1", MUST_FAULT, do_read_sctlr_el1, 0},
    {"reading TTBR0_EL1", MUST_FAULT, do_read_ttbr0_el1, 0},
    {"reading TTBR1_EL1", MUST_FAULT, do_read_ttbr1_el1, 0},
    {"reading TCR_EL1", MUST_FAULT, do_read_tcr_el1, 0},
    {"reading VBAR_EL1", MUST_FAULT, do_read_vbar_el1, 0},
    {"reading ESR_EL1", MUST_FAULT, do_read_esr_el1, 0},
    {"reading FAR_EL1", MUST_FAULT, do_read_far_el1, 0},
    {"reading ELR_EL1", MUST_FAULT, do_read_elr_el1, 0},
    {"reading SPSR_EL1", MUST_FAULT, do_read_spsr_el1, 0},
    {"reading TPIDR_EL1", MUST_FAULT, do_read_tpidr_el1, 0},
    {"reading CurrentEL", MUST_FAULT, do_read_currentel, 0},
    {"reading DAIF", MUST_FAULT, do_read_daif, 0},
    {"reading MPIDR_EL1", MUST_FAULT, do_read_mpidr_el1, 0},
    {"reading CNTKCTL_EL1", MUST_FAULT, do_read_cntkctl_el1, 0},
    {"reading CNTP_CTL_EL0", MUST_FAULT, do_read_cntp_ctl_el0, 0},
    {"reading PMCCNTR_EL0", MAY_FAULT, do_read_pmccntr_el0, 0},
    {"reading CTR_EL0", MAY_FAULT, do_read_ctr_el0, 0},
    {"reading DCZID_EL0", MAY_FAULT, do_read_dczid_el0, 0},
    {"writing SCTLR_EL1", MUST_FAULT, do_write_sctlr_el1, 0},
    {"writing TTBR0_EL1", MUST_FAULT, do_write_ttbr0_el1, 0},
    {"writing TTBR1_EL1", MUST_FAULT, do_write_ttbr1_el1, 0},
    {"writing VBAR_EL1", MUST_FAULT, do_write_vbar_el1, 0},
    {"writing ELR_EL1", MUST_FAULT, do_write_elr_el1, 0},
    {"writing SPSR_EL1", MUST_FAULT, do_write_spsr_el1, 0},
    {"writing TPIDR_EL1", MUST_FAULT, do_write_tpidr_el1, 0},
    {"writing CNTKCTL_EL1", MUST_FAULT, do_write_cntkctl_el1, 0},
    {"writing CNTP_CVAL_EL0", MUST_FAULT, do_write_cntp_cval_el0, 0},
    {"writing CNTV_CTL_EL0", MUST_FAULT, do_write_cntv_ctl_el0, 0},
    {"writing PMCR_EL0", MAY_FAULT, do_write_pmcr_el0, 0},
    {"writing MDSCR_EL1", MUST_FAULT, do_write_mdscr_el1, 0},
    {"masking interrupts", MUST_FAULT, do_mask, 0},
    {"unmasking interrupts", MUST_FAULT, do_unmask, 0},
    {"choosing the kernel's stack", MUST_FAULT, do_spsel, 0},
    {"clearing PAN", MUST_FAULT, do_pan, 0},
    {"ERET", MUST_FAULT, do_eret, 0},
    {"HVC", MUST_FAULT, do_hvc, 0x84000008}, /* PSCI SYSTEM_OFF */
    {"SMC", MUST_FAULT, do_smc, 0x84000008},
    {"HLT of semihosting", MUST_FAULT, do_hlt, 0x18}, /* SYS_EXIT */
    {"BRK", MUST_FAULT, do_brk, 0},
    {"SVC 9", MUST_FAULT, do_svc_9, 0},
    {"SVC 15", MUST_FAULT, do_svc_15, 0},
    {"SVC 18", MUST_FAULT, do_svc_18, 0},
    {"SVC 255", MUST_FAULT, do_svc_255, 0},
    {"SVC 32768", MUST_FAULT, do_svc_32768, 0},
    {"SVC 65535", MUST_FAULT, do_svc_65535, 0},
    {"SVC 17", MAY_FAULT, do_svc_debug, 0},
    {"WFI", MAY_FAULT, do_wfi, 0},
    {"WFE", MAY_FAULT, do_wfe, 0},
    {"IC IALLU", MUST_FAULT, do_ic_iallu, 0},
    {"IC IALLUIS", MUST_FAULT, do_ic_ialluis, 0},
    {"IC IVAU of the kernel", MUST_FAULT, do_ic_ivau, KERNEL},
    {"DC IVAC", MUST_FAULT, do_dc_ivac, 0},
    {"DC ISW", MUST_FAULT, do_dc_isw, 0},
    {"DC CISW", MUST_FAULT, do_dc_cisw, 0},
    {"DC CIVAC of the kernel", MUST_FAULT, do_dc_civac, KERNEL},
    {"DC ZVA of the kernel", MUST_FAULT, do_dc_zva, KERNEL},
    {"TLBI of everything", MUST_FAULT, do_tlbi_all, 0},
    {"TLBI of everything, everywhere", MUST_FAULT, do_tlbi_shared, 0},
    {"TLBI of an address", MUST_FAULT, do_tlbi_address, 0},
    {"AT S1E1R", MUST_FAULT, do_at, KERNEL},
    {"an undefined instruction", MUST_FAULT, do_undefined, 0},
    {"an implementation's register", MUST_FAULT, do_implementation, 0},
    {"a load on a stack in the kernel", MUST_FAULT, do_bad_stack, KERNEL},
    {"BRK on a stack in the kernel", MUST_FAULT, do_bad_stack_brk, KERNEL},
    {"a load on an unaligned stack", MAY_FAULT, do_odd_stack, 0},
    {"a jump to an unaligned address", MUST_FAULT, do_odd_jump, 0},
    {"an unaligned exclusive load", MUST_FAULT, do_odd_exclusive, 0},
    {"trapping floating-point exceptions", MAY_FAULT, do_fpcr, 0},
    {"a system call on a stack in the kernel", MUST_RETURN, syscall_on_kernel_stack, KERNEL},
    {"a system call on a stack at 0", MUST_RETURN, syscall_on_kernel_stack, 0},
};
const unsigned machine_deed_count = sizeof(machine_deeds) / sizeof(machine_deeds[0]);
