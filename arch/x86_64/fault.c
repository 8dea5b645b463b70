/* Exceptions: the user's become fault messages, the kernel's end in kernel_crash. Called by entry.S.
 * Source: Intel SDM vol. 3, chapter 6 (vectors, error codes), 4.7 (page-fault error code).
 */
#include <arch/thread.h>
#include <arch/upcalls.h>
#include "fault.h"
#include "instructions.h"

#define VECTOR_DEBUG      1
#define VECTOR_BREAKPOINT 3
#define VECTOR_PAGE_FAULT 14

#define PAGE_FAULT_PRESENT 1u
#define PAGE_FAULT_WRITE   2u
#define PAGE_FAULT_FETCH   16u

static void page_fault(struct core *core, uint64_t error)
{
    word bits = 0;
    if ((error & PAGE_FAULT_WRITE) != 0)
        bits |= FAULT_VM_WRITE;
    if ((error & PAGE_FAULT_FETCH) != 0)
        bits |= FAULT_VM_FETCH;
    if ((error & PAGE_FAULT_PRESENT) != 0)
        bits |= FAULT_VM_PRESENT;
    kernel_fault(core, FAULT_VM, cr2_read(), error, bits);
}

void exception_arrived(struct core *core, uint64_t vector, uint64_t error)
{
    struct arch_context *c = *(struct arch_context **)((char *)core + CORE_CONTEXT);
    c->rip = context_safe_address(c->rip);
    if (vector == VECTOR_PAGE_FAULT) {
        page_fault(core, error);
    } else if (vector == VECTOR_DEBUG) {
        debug_exception(core, c);
    } else {
        if (vector == VECTOR_BREAKPOINT)
            c->rip--; /* a trap: the contract wants the instruction itself, one byte of INT3 */
        kernel_fault(core, FAULT_USER_EXCEPTION, vector, error, c->rflags);
    }
}

static const char *const names[] = {
    "divide error",   "debug exception",    "non-maskable interrupt",
    "breakpoint",     "overflow",           "bound range",
    "invalid opcode", "no FP/SIMD",         "double fault",
    "vector 9",       "invalid TSS",        "segment not present",
    "stack fault",    "general protection", "page fault",
    "vector 15",      "x87 error",          "alignment check",
    "machine check",  "SIMD error",
};

/* In the order in which exception_in_kernel pushes. */
struct crash_frame {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

_Noreturn void exception_fatal(struct core *core, const struct crash_frame *f)
{
    const char *name = f->vector < sizeof(names) / sizeof(names[0]) ? names[f->vector] : "exception";
    print("\nrax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
    print("rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", f->rsi, f->rdi, f->rbp, f->rsp);
    print("r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", f->r8, f->r9, f->r10, f->r11);
    print("r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", f->r12, f->r13, f->r14, f->r15);
    print("rip %016lx cs %02lx rflags %06lx ss %02lx cr3 %012lx\n", f->rip, f->cs, f->rflags, f->ss, cr3_read());
    kernel_crash(core, name, f->rip, cr2_read(), f->error);
}
