/* What an x86-64 program may not do. Sources: Intel SDM volume 2 (which instructions are privileged), volume 3
 * chapters 2, 5 and 6 (flags, segments, interrupts), AMD APM volume 2.
 */
#include "outlaw.h"
#include "tessera/server.h"

#define FLAG_TF   (1ul << 8)
#define FLAG_IF   (1ul << 9)
#define FLAG_DF   (1ul << 10)
#define FLAG_IOPL (3ul << 12)
#define FLAG_NT   (1ul << 14)
#define FLAG_RF   (1ul << 16)
#define FLAG_VM   (1ul << 17)
#define FLAG_AC   (1ul << 18)
#define FLAG_VIF  (1ul << 19)
#define FLAG_VIP  (1ul << 20)
#define FLAG_ID   (1ul << 21)

const uint64_t kernel_addresses[] = {
    0xffffffff80000000, 0xffffffff80100000, 0xffffffffffffffe8, 0xffff800000000000,
    0xffff888000000000, 0x0000800000000000, 0x8000000000000000, /* the last two are not canonical */
};
const unsigned kernel_address_count = sizeof(kernel_addresses) / sizeof(kernel_addresses[0]);

int jump_to(uint64_t address)
{
    __asm__ volatile("call *%0" : : "r"(address) : "memory", "cc", "rax", "rcx", "rdx");
    return 1;
}

/* ---- flags ---- */

static uint64_t flags_exchange(uint64_t flags)
{
    uint64_t now;
    __asm__ volatile("pushq %1\n popfq\n pushfq\n popq %0" : "=r"(now) : "r"(flags) : "memory", "cc");
    return now;
}

static uint64_t flags_now(void)
{
    uint64_t now;
    __asm__ volatile("pushfq\n popq %0" : "=r"(now) : : "memory");
    return now;
}

/* Sets flags, goes through the kernel with them, and looks whether one stuck that must not: interrupts off, or
 * an I/O privilege. */
static int flags_try(uint64_t flags)
{
    uint64_t before = flags_now();
    flags_exchange((before & ~FLAG_IF) | flags);
    for (unsigned i = 0; i < 3; i++)
        syscall_yield();
    uint64_t after = flags_now();
    flags_exchange(before);
    return !(after & FLAG_IF) || (after & FLAG_IOPL) != 0;
}

/* An exception, rather than a system call, with such flags; reads address 0. */
static int flags_fault(uint64_t flags)
{
    flags_exchange(flags_now() | flags);
    (void)*(volatile uint64_t *)0;
    return 1;
}

/* ---- single instructions ---- */

#define DEED(name, result, text)                                                                                       \
    static int name(uint64_t argument)                                                                                 \
    {                                                                                                                  \
        __asm__ volatile(text : : "a"(argument), "c"(0), "d"(0) : "memory", "cc", "rbx");                              \
        return result;                                                                                                 \
    }

/* What must not come back, and what may: then it has done no harm. */
#define INSTRUCTION(name, text) DEED(name, 1, text)
#define HARMLESS(name, text)    DEED(name, 0, text)

INSTRUCTION(do_cli, "cli")
INSTRUCTION(do_sti, "sti")
INSTRUCTION(do_hlt, "hlt")
INSTRUCTION(do_in, "inb $0x60, %%al")
INSTRUCTION(do_out_exit, "outl %%eax, $0xf4")
INSTRUCTION(do_out_reset, "movw $0xcf9, %%dx\n movb $6, %%al\n outb %%al, %%dx")
INSTRUCTION(do_ins, "leaq -64(%%rsp), %%rdi\n movw $0x60, %%dx\n insb")
INSTRUCTION(do_read_cr0, "movq %%cr0, %%rax")
INSTRUCTION(do_read_cr3, "movq %%cr3, %%rax")
INSTRUCTION(do_write_cr0, "movq %%rax, %%cr0")
INSTRUCTION(do_write_cr3, "movq %%rax, %%cr3")
INSTRUCTION(do_write_cr4, "movq %%rax, %%cr4")
INSTRUCTION(do_write_cr8, "movq %%rax, %%cr8")
INSTRUCTION(do_write_dr7, "movq %%rax, %%dr7")
INSTRUCTION(do_rdmsr, "movl $0xc0000080, %%ecx\n rdmsr")
INSTRUCTION(do_wrmsr_lstar, "movl $0xc0000082, %%ecx\n wrmsr")
INSTRUCTION(do_wrmsr_gs, "movl $0xc0000102, %%ecx\n wrmsr")
INSTRUCTION(do_lgdt, "lgdt -64(%%rsp)")
INSTRUCTION(do_lidt, "lidt -64(%%rsp)")
INSTRUCTION(do_lldt, "lldt %%ax")
INSTRUCTION(do_ltr, "ltr %%ax")
INSTRUCTION(do_lmsw, "lmsw %%ax")
INSTRUCTION(do_clts, "clts")
INSTRUCTION(do_invlpg, "invlpg (%%rsp)")
INSTRUCTION(do_wbinvd, "wbinvd")
INSTRUCTION(do_swapgs, "swapgs")
INSTRUCTION(do_sysret, "sysretq")
INSTRUCTION(do_sysexit, "sysexitl")
INSTRUCTION(do_sysenter, "sysenter")
INSTRUCTION(do_xsetbv, "xsetbv")
INSTRUCTION(do_rdpmc, "rdpmc")
INSTRUCTION(do_vmcall, "vmcall")
INSTRUCTION(do_vmmcall, "vmmcall")
INSTRUCTION(do_stac, "stac")
INSTRUCTION(do_clac, "clac")
INSTRUCTION(do_monitor, "monitor")
INSTRUCTION(do_mwait, "mwait")
INSTRUCTION(do_ud2, "ud2")
INSTRUCTION(do_int3, "int3")
INSTRUCTION(do_int1, ".byte 0xf1")
INSTRUCTION(do_int0, "int $0")
INSTRUCTION(do_int2, "int $2")
INSTRUCTION(do_int8, "int $8")
INSTRUCTION(do_int13, "int $13")
INSTRUCTION(do_int14, "int $14")
INSTRUCTION(do_int32, "int $32")
INSTRUCTION(do_int128, "int $128")
INSTRUCTION(do_int255, "int $255")
INSTRUCTION(do_divide, "xorl %%ecx, %%ecx\n divl %%ecx")
HARMLESS(do_sgdt, "sgdt -64(%%rsp)")
HARMLESS(do_sidt, "sidt -64(%%rsp)")
HARMLESS(do_smsw, "smsw %%ax")
INSTRUCTION(do_load_ds, "movw %%ax, %%ds")
INSTRUCTION(do_load_ss, "movw %%ax, %%ss")
INSTRUCTION(do_load_gs, "movw %%ax, %%gs")
INSTRUCTION(do_iret_kernel, "pushq $0x10\n pushq %%rsp\n pushfq\n pushq $0x08\n leaq 1f(%%rip), %%rbx\n pushq %%rbx\n"
                            " iretq\n 1:")
INSTRUCTION(do_lret_kernel, "pushq $0x08\n leaq 1f(%%rip), %%rbx\n pushq %%rbx\n lretq\n 1:")
INSTRUCTION(do_bad_stack_int3, "movq %%rax, %%rsp\n int3")
INSTRUCTION(do_bad_stack_fault, "movq %%rax, %%rsp\n movq 0, %%rbx")
INSTRUCTION(do_bad_stack_push, "movq %%rax, %%rsp\n pushq %%rbx")
HARMLESS(do_mxcsr, "pushq $-1\n ldmxcsr (%%rsp)\n popq %%rbx")
INSTRUCTION(do_lock, ".byte 0xf0, 0x90")        /* LOCK NOP */
INSTRUCTION(do_long, ".fill 16, 1, 0x66\n nop") /* an instruction of 17 bytes */

/* A system call with the stack pointer in the kernel's half; the kernel must not use it. */
static int syscall_on_kernel_stack(uint64_t stack)
{
    register uint64_t number __asm__("rax") = SYSCALL_YIELD;
    register uint64_t rdi __asm__("rdi") = 0;
    register uint64_t rsi __asm__("rsi") = 0;
    __asm__ volatile("movq %%rsp, %%r15\n movq %3, %%rsp\n syscall\n movq %%r15, %%rsp"
                     : "+r"(number), "+r"(rdi), "+r"(rsi)
                     : "b"(stack)
                     : "rcx", "r11", "rdx", "r8", "r9", "r10", "r12", "r13", "r14", "r15", "memory", "cc");
    return 0;
}

/* The kernel must find its own GS base, whatever the program has put there. */
static int write_gs_base(uint64_t base)
{
    __asm__ volatile("wrgsbase %0" : : "r"(base));
    for (unsigned i = 0; i < 3; i++)
        syscall_yield();
    return 0;
}

/* Whatever number: the registers hold what they happen to hold, and addresses that are not the program's. */
static int system_call(uint64_t number)
{
    register uint64_t rax __asm__("rax") = number;
    register uint64_t rdi __asm__("rdi") = 0xffffffff80100001;
    register uint64_t rsi __asm__("rsi") = UINT64_MAX;
    __asm__ volatile("syscall"
                     : "+r"(rax), "+r"(rdi), "+r"(rsi)
                     :
                     : "rcx", "r11", "rdx", "r8", "r9", "r10", "rbx", "r12", "r13", "r14", "memory", "cc");
    return 1;
}

static int null_segments(uint64_t argument)
{
    __asm__ volatile("movw %w0, %%ds\n movw %w0, %%es\n movw %w0, %%fs\n movw %w0, %%gs" : : "r"(argument));
    for (unsigned i = 0; i < 3; i++)
        syscall_yield();
    return 0;
}

#define KERNEL 0xffffffff80100000

const struct deed machine_deeds[] = {
    {"POPF with IF clear", MUST_RETURN, flags_try, 0},
    {"POPF with IOPL", MUST_RETURN, flags_try, FLAG_IOPL},
    {"POPF with NT", MUST_RETURN, flags_try, FLAG_NT},
    {"POPF with DF", MUST_RETURN, flags_try, FLAG_DF},
    {"POPF with AC", MUST_RETURN, flags_try, FLAG_AC},
    {"POPF with RF and VM", MUST_RETURN, flags_try, FLAG_RF | FLAG_VM},
    {"POPF with VIF, VIP and ID", MAY_FAULT, flags_try, FLAG_VIF | FLAG_VIP | FLAG_ID},
    {"POPF with TF", MAY_FAULT, flags_try, FLAG_TF},
    {"a fault with NT", MUST_FAULT, flags_fault, FLAG_NT},
    {"a fault with DF", MUST_FAULT, flags_fault, FLAG_DF},
    {"a fault with AC", MUST_FAULT, flags_fault, FLAG_AC},
    {"a fault with TF", MUST_FAULT, flags_fault, FLAG_TF},
    {"CLI", MUST_FAULT, do_cli, 0},
    {"STI", MUST_FAULT, do_sti, 0},
    {"HLT", MUST_FAULT, do_hlt, 0},
    {"IN", MUST_FAULT, do_in, 0},
    {"OUT to the emulator's exit", MUST_FAULT, do_out_exit, 16},
    {"OUT to the reset register", MUST_FAULT, do_out_reset, 0},
    {"INS", MUST_FAULT, do_ins, 0},
    {"reading CR0", MUST_FAULT, do_read_cr0, 0},
    {"reading CR3", MUST_FAULT, do_read_cr3, 0},
    {"writing CR0", MUST_FAULT, do_write_cr0, 0},
    {"writing CR3", MUST_FAULT, do_write_cr3, 0},
    {"writing CR4", MUST_FAULT, do_write_cr4, 0},
    {"writing CR8", MUST_FAULT, do_write_cr8, 0},
    {"writing DR7", MUST_FAULT, do_write_dr7, 0},
    {"RDMSR", MUST_FAULT, do_rdmsr, 0},
    {"WRMSR of the system-call entry", MUST_FAULT, do_wrmsr_lstar, 0},
    {"WRMSR of the kernel's GS", MUST_FAULT, do_wrmsr_gs, 0},
    {"LGDT", MUST_FAULT, do_lgdt, 0},
    {"LIDT", MUST_FAULT, do_lidt, 0},
    {"LLDT", MUST_FAULT, do_lldt, 0},
    {"LTR", MUST_FAULT, do_ltr, 0},
    {"LMSW", MUST_FAULT, do_lmsw, 0},
    {"CLTS", MUST_FAULT, do_clts, 0},
    {"INVLPG", MUST_FAULT, do_invlpg, 0},
    {"WBINVD", MUST_FAULT, do_wbinvd, 0},
    {"SWAPGS", MUST_FAULT, do_swapgs, 0},
    {"SYSRET", MUST_FAULT, do_sysret, 0},
    {"SYSEXIT", MUST_FAULT, do_sysexit, 0},
    {"SYSENTER", MUST_FAULT, do_sysenter, 0},
    {"XSETBV", MUST_FAULT, do_xsetbv, 0},
    {"RDPMC", MUST_FAULT, do_rdpmc, 0},
    {"VMCALL", MUST_FAULT, do_vmcall, 0},
    {"VMMCALL", MUST_FAULT, do_vmmcall, 0},
    {"STAC", MUST_FAULT, do_stac, 0},
    {"CLAC", MUST_FAULT, do_clac, 0},
    {"MONITOR", MUST_FAULT, do_monitor, 0},
    {"MWAIT", MUST_FAULT, do_mwait, 0},
    {"UD2", MUST_FAULT, do_ud2, 0},
    {"INT3", MUST_FAULT, do_int3, 0},
    {"INT1", MUST_FAULT, do_int1, 0},
    {"INT 0", MUST_FAULT, do_int0, 0},
    {"INT 2, as if an NMI", MUST_FAULT, do_int2, 0},
    {"INT 8, as if a double fault", MUST_FAULT, do_int8, 0},
    {"INT 13", MUST_FAULT, do_int13, 0},
    {"INT 14, as if a page fault", MUST_FAULT, do_int14, 0},
    {"INT 32", MUST_FAULT, do_int32, 0},
    {"INT 128", MUST_FAULT, do_int128, 0},
    {"INT 255", MUST_FAULT, do_int255, 0},
    {"dividing by zero", MUST_FAULT, do_divide, 1},
    {"SGDT", MAY_FAULT, do_sgdt, 0},
    {"SIDT", MAY_FAULT, do_sidt, 0},
    {"SMSW", MAY_FAULT, do_smsw, 0},
    {"WRGSBASE, then a system call", MAY_FAULT, write_gs_base, KERNEL},
    {"the kernel's data segment in DS", MUST_FAULT, do_load_ds, 0x10},
    {"a null stack segment", MUST_FAULT, do_load_ss, 0},
    {"a selector beyond the table in GS", MUST_FAULT, do_load_gs, 0xfff8},
    {"null segments", MUST_RETURN, null_segments, 0},
    {"IRETQ to the kernel's segments", MUST_FAULT, do_iret_kernel, 0},
    {"LRET to the kernel's segment", MUST_FAULT, do_lret_kernel, 0},
    {"INT3 on a stack in the kernel", MUST_FAULT, do_bad_stack_int3, KERNEL},
    {"a fault on a stack in the kernel", MUST_FAULT, do_bad_stack_fault, KERNEL},
    {"a push on a stack in the kernel", MUST_FAULT, do_bad_stack_push, KERNEL},
    {"a push on a stack that is not canonical", MUST_FAULT, do_bad_stack_push, 0x8000000000000000},
    {"a system call on a stack in the kernel", MUST_RETURN, syscall_on_kernel_stack, KERNEL},
    {"a system call on a stack at 0", MUST_RETURN, syscall_on_kernel_stack, 0},
    {"system call 9", MUST_FAULT, system_call, 9},
    {"system call 15", MUST_FAULT, system_call, 15},
    {"system call 18", MUST_FAULT, system_call, 18},
    {"system call 255", MUST_FAULT, system_call, 255},
    {"system call 2^31", MUST_FAULT, system_call, 1ul << 31},
    {"system call 2^32", MUST_FAULT, system_call, 1ul << 32},
    {"system call 2^63", MUST_FAULT, system_call, 1ul << 63},
    {"system call -1", MUST_FAULT, system_call, UINT64_MAX},
    {"MXCSR with reserved bits", MAY_FAULT, do_mxcsr, 0},
    {"LOCK where it must not be", MUST_FAULT, do_lock, 0},
    {"an instruction of 17 bytes", MUST_FAULT, do_long, 0},
};
const unsigned machine_deed_count = sizeof(machine_deeds) / sizeof(machine_deeds[0]);
