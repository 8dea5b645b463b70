/* The CPU's fixed settings. See cpu.h.
 *
 * Sources: Intel SDM vol. 2, CPUID; vol. 3, 2.5 (control registers), 3.4.5 and 6.14 (descriptors), 7.7 (64-bit TSS),
 * 11.12.4 (PAT), 13.3 (XCR0), 5.8.8 (SYSCALL MSRs); AMD APM vol. 2, 3.1.7 (automatic IBRS). The baseline is the System
 * V psABI's level x86-64-v2 and what docs/x86_64.md adds to it.
 */
#include <arch/core.h>
#include <arch/debug.h>
#include <arch/thread.h>
#include "cpu.h"
#include "instructions.h"
#include "layout.h"

struct cpu_features cpu;

/* ---- the baseline ---- */

enum cpuid_register { EAX, EBX, ECX, EDX };

static const struct requirement {
    uint32_t leaf;
    uint8_t register_number, bit;
    char name[12];
} requirements[] = {
    {1, EDX, 5, "MSR"},
    {1, EDX, 9, "APIC"},
    {1, EDX, 13, "PGE"},
    {1, EDX, 15, "CMOV"},
    {1, EDX, 16, "PAT"},
    {1, EDX, 24, "FXSR"},
    {1, EDX, 26, "SSE2"},
    {1, ECX, 0, "SSE3"},
    {1, ECX, 9, "SSSE3"},
    {1, ECX, 13, "CMPXCHG16B"},
    {1, ECX, 19, "SSE4.1"},
    {1, ECX, 20, "SSE4.2"},
    {1, ECX, 23, "POPCNT"},
    {1, ECX, 26, "XSAVE"},
    {7, EBX, 0, "FSGSBASE"},
    {7, EBX, 7, "SMEP"},
    {7, EBX, 20, "SMAP"},
    {0x80000001, ECX, 0, "LAHF"},
    {0x80000001, EDX, 11, "SYSCALL"},
};

/* A leaf the CPU does not have reads as zeros (an Intel CPU would answer with its last basic leaf). */
static struct cpuid leaf_read(uint32_t leaf, uint32_t subleaf)
{
    if (cpuid_read(leaf & 0x80000000, 0).eax < leaf)
        return (struct cpuid){0};
    return cpuid_read(leaf, subleaf);
}

static const char *missing_feature(void)
{
    struct cpuid r = {0};
    uint32_t leaf = 0;
    for (unsigned i = 0; i < sizeof(requirements) / sizeof(requirements[0]); i++) {
        const struct requirement *needed = &requirements[i];
        if (needed->leaf != leaf) {
            leaf = needed->leaf;
            r = leaf_read(leaf, 0);
        }
        const uint32_t values[] = {r.eax, r.ebx, r.ecx, r.edx};
        if ((values[needed->register_number] >> needed->bit & 1) == 0)
            return needed->name;
    }
    return NULL;
}

#define MSR_ARCH_CAPABILITIES  0x10a
#define ARCH_CAPABILITIES_RDCL 1u
#define ARCH_CAPABILITIES_IBRS 2u
#define XCR0_X87_SSE_AVX       7u

const char *cpu_check(void)
{
    const char *missing = missing_feature();
    if (missing != NULL)
        return missing;
    struct cpuid basic = leaf_read(1, 0), structured = leaf_read(7, 0), extended = leaf_read(0x80000001, 0);
    cpu.has_pcid = (basic.ecx & 1u << 17) != 0 && (structured.ebx & 1u << 10) != 0;
    cpu.has_x2apic = (basic.ecx & 1u << 21) != 0;
    cpu.has_tsc_deadline = (basic.ecx & 1u << 24) != 0;
    cpu.has_rdrand = (basic.ecx & 1u << 30) != 0;
    cpu.has_umip = (structured.ecx & 1u << 2) != 0;
    cpu.has_large_pages_1g = (extended.edx & 1u << 26) != 0;
    cpu.has_automatic_ibrs = (leaf_read(0x80000021, 0).eax & 1u << 8) != 0;
    cpu.xcr0 = leaf_read(13, 0).eax & XCR0_X87_SSE_AVX;
    cpu.has_xsaveopt = (leaf_read(13, 1).eax & 1) != 0;
    uint64_t capabilities = (structured.edx & 1u << 29) != 0 ? msr_read(MSR_ARCH_CAPABILITIES) : 0;
    bool is_intel = leaf_read(0, 0).ebx == 0x756e6547; /* "Genu" */
    cpu.is_meltdown_free = !is_intel || (capabilities & ARCH_CAPABILITIES_RDCL) != 0;
    cpu.has_enhanced_ibrs = (capabilities & ARCH_CAPABILITIES_IBRS) != 0;
    return NULL;
}

/* ---- descriptor tables ---- */

struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

struct __attribute__((packed)) table_pointer {
    uint16_t limit;
    uint64_t base;
};

#define VECTORS 256
_Static_assert(EXCEPTION_VECTORS + INTERRUPT_GROUPS * INTERRUPT_GROUP == VECTORS, "entry.S");
#define GATE_KERNEL    0x8e /* present, interrupt gate, DPL 0 */
#define GATE_USER      0xee /* DPL 3: INT3 from user mode is a #BP, not a #GP */
#define VECTOR_DB      1
#define VECTOR_NMI     2
#define VECTOR_BP      3
#define VECTOR_DF      8
#define VECTOR_MC      18
#define DESCRIPTOR_TSS 0x89

/* One table for all cores: what differs is behind a gate's stack number and GS. */
static struct gate idt[VECTORS];

extern const uint8_t exception_entries[], interrupt_entries[], syscall_entry[];
extern uint8_t kernel_stack_end[], fault_stacks[FAULT_STACKS][PAGE_BYTES + FAULT_STACK_BYTES];

static void gate_set(unsigned vector, uint64_t address)
{
    idt[vector] = (struct gate){.offset_low = (uint16_t)address,
                                .selector = SELECTOR_KERNEL_CODE,
                                .type = GATE_KERNEL,
                                .offset_middle = (uint16_t)(address >> 16),
                                .offset_high = (uint32_t)(address >> 32)};
}

static void idt_load(void)
{
    for (unsigned i = 0; i < EXCEPTION_VECTORS; i++)
        gate_set(i,
                 (uint64_t)exception_entries + i * EXCEPTION_ENTRY_BYTES + i / EXCEPTION_GROUP * EXCEPTION_GROUP_GAP);
    for (unsigned i = 0; i < VECTORS - EXCEPTION_VECTORS; i++)
        gate_set(EXCEPTION_VECTORS + i, (uint64_t)interrupt_entries + i / INTERRUPT_GROUP * INTERRUPT_GROUP_BYTES +
                                            i % INTERRUPT_GROUP * INTERRUPT_ENTRY_BYTES);
    idt[VECTOR_BP].type = GATE_USER;
    idt[VECTOR_DB].ist = IST_DEBUG;
    idt[VECTOR_NMI].ist = IST_NMI;
    idt[VECTOR_DF].ist = IST_DOUBLE_FAULT;
    idt[VECTOR_MC].ist = IST_MACHINE_CHECK;
    struct table_pointer pointer = {sizeof(idt) - 1, (uint64_t)idt};
    __asm__ volatile("lidt %0" : : "m"(pointer));
}

static void task_state_fill(struct core *core)
{
    struct task_state *state = &core_arch(core)->task_state;
    state->io_map = sizeof(*state); /* beyond the limit: no port is open to user mode */
    state->rsp[0] = core_arch(core)->stack_top;
    for (unsigned i = 0; i < FAULT_STACKS; i++) {
        uint8_t *top = fault_stacks[i] + sizeof(fault_stacks[i]) - FAULT_STACK_TOP;
        *(struct core **)top = core;
        state->ist[i] = (uint64_t)top;
    }
}

static void gdt_load(struct arch_core *arch)
{
    uint64_t base = (uint64_t)&arch->task_state, *gdt = arch->gdt;
    gdt[SELECTOR_KERNEL_CODE / 8] = 0x00af9b000000ffff; /* 64-bit, DPL 0 */
    gdt[SELECTOR_KERNEL_DATA / 8] = 0x00cf93000000ffff;
    gdt[SELECTOR_USER_DATA / 8] = 0x00cff3000000ffff; /* DPL 3 */
    gdt[SELECTOR_USER_CODE / 8] = 0x00affb000000ffff; /* 64-bit, DPL 3 */
    gdt[SELECTOR_TSS / 8] = (sizeof(arch->task_state) - 1) | (base & 0xffffff) << 16 | (uint64_t)DESCRIPTOR_TSS << 40 |
                            (base >> 24 & 0xff) << 56;
    gdt[SELECTOR_TSS / 8 + 1] = base >> 32;
    struct table_pointer pointer = {sizeof(arch->gdt) - 1, (uint64_t)gdt};
    __asm__ volatile("lgdt %0\n"
                     "pushq %1\n"
                     "leaq 1f(%%rip), %%rax\n"
                     "pushq %%rax\n"
                     "lretq\n"
                     "1: movl %2, %%eax\n"
                     "movl %%eax, %%ss\n"
                     "xorl %%eax, %%eax\n"
                     "movl %%eax, %%ds\n"
                     "movl %%eax, %%es\n"
                     "movl %%eax, %%fs\n"
                     "movl %%eax, %%gs\n"
                     "ltr %w3"
                     :
                     : "m"(pointer), "i"(SELECTOR_KERNEL_CODE), "i"(SELECTOR_KERNEL_DATA), "r"(SELECTOR_TSS)
                     : "rax", "memory");
}

/* ---- control registers and MSRs ---- */

#define CR0_SETTINGS 0x80010033u /* PG WP NE ET MP PE; AM off, so that AC has no meaning but SMAP's */
#define CR4_SETTINGS 0x003506e8u /* DE PAE MCE PGE OSFXSR OSXMMEXCPT FSGSBASE OSXSAVE SMEP SMAP */
#define CR4_UMIP     (1u << 11)
#define CR4_PCIDE    (1u << 17)

#define MSR_SPEC_CTRL        0x48
#define SPEC_CTRL_IBRS       1u
#define MSR_PAT              0x277
#define PAT_WB_WC_UCMINUS_UC 0x0007010600070106ul
#define MSR_EFER             0xc0000080u
#define EFER_SYSCALL         1u
#define EFER_AUTOMATIC_IBRS  (1u << 21)
#define MSR_STAR             0xc0000081u
#define MSR_LSTAR            0xc0000082u
#define MSR_CSTAR            0xc0000083u
#define MSR_SYSCALL_MASK     0xc0000084u
#define RFLAGS_NOT_IN_KERNEL 0x00257fd5ul /* all but the reserved and virtual-8086 ones: IF TF DF AC NT IOPL ... */
#define MSR_KERNEL_GS_BASE   0xc0000102u

static void control_registers_set(void)
{
    uint64_t cr4 = CR4_SETTINGS;
    if (cpu.has_umip)
        cr4 |= CR4_UMIP;
    if (cpu.has_pcid)
        cr4 |= CR4_PCIDE;
    __asm__ volatile("mov %0, %%cr0" : : "r"((uint64_t)CR0_SETTINGS));
    cr4_write(cr4);
    xcr0_write(cpu.xcr0);
}

static void msrs_set(struct core *core)
{
    uint64_t efer = msr_read(MSR_EFER) | EFER_SYSCALL;
    if (cpu.has_automatic_ibrs)
        efer |= EFER_AUTOMATIC_IBRS;
    msr_write(MSR_EFER, efer);
    msr_write(MSR_PAT, PAT_WB_WC_UCMINUS_UC);
    msr_write(MSR_STAR, (uint64_t)(SELECTOR_USER_DATA - 8) << 48 | (uint64_t)SELECTOR_KERNEL_CODE << 32);
    msr_write(MSR_LSTAR, (uint64_t)syscall_entry);
    msr_write(MSR_CSTAR, 0); /* AMD's 32-bit SYSCALL: there is no 32-bit user code segment */
    msr_write(MSR_SYSCALL_MASK, RFLAGS_NOT_IN_KERNEL);
    msr_write(MSR_KERNEL_GS_BASE, 0);
    if (cpu.has_enhanced_ibrs)
        msr_write(MSR_SPEC_CTRL, SPEC_CTRL_IBRS);
    __asm__ volatile("wrfsbase %0" : : "r"(0ul));
    __asm__ volatile("wrgsbase %0" : : "r"(core));
}

void cpu_start(struct core *core)
{
    struct arch_core *arch = core_arch(core);
    arch->self = core;
    arch->stack_top = (uint64_t)kernel_stack_end;
    control_registers_set();
    task_state_fill(core);
    gdt_load(arch);
    idt_load();
    msrs_set(core);
    arch_fpu_enable(false);
    arch_debug_load(core, NULL, NULL);
}
