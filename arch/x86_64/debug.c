/* Debug registers: breakpoints, watchpoints and steps of threads. Contract: arch/debug.h.
 *
 * DR0..DR3 hold addresses of the user half only and never I/O ports (CR4.DE is set, but no kind encodes them), so
 * nothing that the kernel does can trigger them. An instruction breakpoint is a fault: RF in the saved flags lets the
 * instruction pass when the thread goes on. Data breakpoints and steps are traps: the pc is behind the instruction.
 *
 * Source: Intel SDM vol. 3, 17.2 (debug registers), 17.3.1 (#DB).
 */
#include <arch/core.h>
#include <arch/debug.h>
#include <arch/thread.h>
#include <arch/upcalls.h>
#include "fault.h"

#define RFLAGS_TF   (1ul << 8)
#define RFLAGS_RF   (1ul << 16)
#define DR6_CLEAR   0xffff0ff0ul
#define DR7_INITIAL 0x400ul

unsigned arch_breakpoint_count(void)
{
    return ARCH_BREAKPOINTS_MAX;
}

word arch_breakpoint_kinds(unsigned number)
{
    (void)number;
    return 1u << BREAKPOINT_EXECUTE | 1u << BREAKPOINT_WRITE | 1u << BREAKPOINT_READ_WRITE;
}

static void address_write(unsigned number, word address)
{
    if (number == 0)
        __asm__ volatile("mov %0, %%db0" : : "r"(address));
    else if (number == 1)
        __asm__ volatile("mov %0, %%db1" : : "r"(address));
    else if (number == 2)
        __asm__ volatile("mov %0, %%db2" : : "r"(address));
    else
        __asm__ volatile("mov %0, %%db3" : : "r"(address));
}

/* The local enable bit, R/W (0 execute, 1 write, 3 both) and LEN (bytes - 1, but 2 for eight) of one register. */
static word control_bits(unsigned number, struct breakpoint breakpoint)
{
    static const uint8_t access[] = {[BREAKPOINT_EXECUTE] = 0, [BREAKPOINT_WRITE] = 1, [BREAKPOINT_READ_WRITE] = 3};
    word length = breakpoint.bytes == 8 ? 2 : breakpoint.bytes - 1u;
    return 1ul << 2 * number | (access[breakpoint.kind] | length << 2) << (16 + 4 * number);
}

void arch_debug_load(struct core *core, struct debug_state *state, struct arch_context *c)
{
    (void)c;
    word control = DR7_INITIAL;
    core_arch(core)->debug = state;
    for (unsigned i = 0; state && i < ARCH_BREAKPOINTS_MAX; i++) {
        if (state->breakpoints[i].bytes == 0)
            continue;
        control |= control_bits(i, state->breakpoints[i]);
        address_write(i, state->breakpoints[i].address);
    }
    __asm__ volatile("mov %0, %%db7" : : "r"(control));
}

void arch_debug_step(struct arch_context *c, bool on)
{
    c->rflags = on ? c->rflags | RFLAGS_TF : c->rflags & ~RFLAGS_TF;
}

/* DR6 may name breakpoints that are not enabled; what counts is what the thread has set. One report for each exception:
 * a breakpoint comes before a step. */
void debug_exception(struct core *core, struct arch_context *c)
{
    const struct debug_state *state = core_arch(core)->debug;
    word status;
    __asm__ volatile("mov %%db6, %0" : "=r"(status));
    __asm__ volatile("mov %0, %%db6" : : "r"(DR6_CLEAR));
    for (unsigned i = 0; state && i < ARCH_BREAKPOINTS_MAX; i++) {
        struct breakpoint breakpoint = state->breakpoints[i];
        if (breakpoint.bytes == 0 || (status >> i & 1) == 0)
            continue;
        bool is_execute = breakpoint.kind == BREAKPOINT_EXECUTE;
        if (is_execute)
            c->rflags |= RFLAGS_RF;
        kernel_debug(core, is_execute ? DEBUG_BREAKPOINT : DEBUG_WATCHPOINT, breakpoint.address, i);
        return;
    }
    kernel_debug(core, DEBUG_STEP, c->rip, 0);
}
