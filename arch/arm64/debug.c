/* Breakpoint and watchpoint registers, and single steps of threads. Contract: arch/debug.h.
 *
 * Numbers 0 .. B - 1 are instruction breakpoints, the rest watchpoints; all match at EL0 only. Both come before the
 * instruction takes effect and would come again when the thread goes on: so when it does, at the same place, those of
 * that kind are left out for one instruction, which is made a step (`passed_pc`).
 *
 * A step needs MDSCR_EL1.SS and, for each, SPSR.SS, which is ignored (and gone) without the other.
 *
 * Source: Arm ARM DDI 0487, D2.8 (breakpoints), D2.10 (watchpoints), D2.12 (software step), D19.3 (the registers).
 */
#include "fault.h"
#include "instructions.h"

#include <arch/core.h>
#include <arch/debug.h>
#include <arch/thread.h>
#include <arch/upcalls.h>

#define MDSCR_STEP        1ul
#define MDSCR_ENABLE      (1ul << 15)
#define CONTROL_ENABLE    1ul
#define CONTROL_EL0       (2ul << 1)
#define CONTROL_ACCESS    3 /* 1 load, 2 store, 3 both, from this bit on; 0 for breakpoints */
#define CONTROL_BYTES     5 /* a bit for each byte from the register's address on */
#define WATCHPOINT_BYTES  8ul
#define BREAKPOINTS_EACH  16
#define INSTRUCTION_BYTES 0xfu

/* In debug.S: register n, or 16 + n for a watchpoint's. */
void breakpoint_write(word number, word value, word control);

static unsigned execute_count(void)
{
    return id_field(system_read(id_aa64dfr0_el1), 12) + 1;
}

static unsigned watch_count(void)
{
    return id_field(system_read(id_aa64dfr0_el1), 20) + 1;
}

unsigned arch_breakpoint_count(void)
{
    return execute_count() + watch_count();
}

word arch_breakpoint_kinds(unsigned number)
{
    if (number < execute_count())
        return 1u << BREAKPOINT_EXECUTE;
    return 1u << BREAKPOINT_READ | 1u << BREAKPOINT_WRITE | 1u << BREAKPOINT_READ_WRITE;
}

_Static_assert(BREAKPOINT_READ == 1 && BREAKPOINT_WRITE == 2 && BREAKPOINT_READ_WRITE == 3, "as DBGWCR.LSC has it");

static word control_bits(struct breakpoint breakpoint)
{
    word bytes = (1ul << breakpoint.bytes) - 1;
    if (breakpoint.kind == BREAKPOINT_EXECUTE)
        bytes = INSTRUCTION_BYTES;
    return CONTROL_ENABLE | CONTROL_EL0 | (word)breakpoint.kind << CONTROL_ACCESS |
           bytes << (CONTROL_BYTES + breakpoint.address % WATCHPOINT_BYTES * (breakpoint.kind != BREAKPOINT_EXECUTE));
}

void arch_debug_load(struct core *core, struct debug_state *state, struct arch_context *c)
{
    unsigned first_watch = execute_count(), count = arch_breakpoint_count();
    core_arch(core)->debug = state;
    if (!state) {
        system_write(mdscr_el1, 0);
        return;
    }
    if (state->passed_pc != c->pc)
        state->passed_pc = 0;
    for (unsigned i = 0; i < count; i++) {
        struct breakpoint breakpoint = state->breakpoints[i];
        bool is_watch = i >= first_watch;
        bool is_off = breakpoint.bytes == 0 || (state->passed_pc != 0 && (!is_watch || state->passed_kind != 0));
        breakpoint_write(is_watch ? BREAKPOINTS_EACH + i - first_watch : i,
                         is_watch ? breakpoint.address & ~(WATCHPOINT_BYTES - 1) : breakpoint.address,
                         is_off ? 0 : control_bits(breakpoint));
    }
    system_write(mdscr_el1, MDSCR_ENABLE | (state->step_count != 0 || state->passed_pc != 0 ? MDSCR_STEP : 0));
}

void debug_start(struct core *core)
{
    for (unsigned i = 0; i < execute_count(); i++)
        breakpoint_write(i, 0, 0);
    for (unsigned i = 0; i < watch_count(); i++)
        breakpoint_write(BREAKPOINTS_EACH + i, 0, 0);
    arch_debug_load(core, NULL, NULL);
    system_write(oslar_el1, 0); /* the OS lock is set after reset and holds debug exceptions back */
}

void arch_debug_step(struct arch_context *c, bool on)
{
    if (on)
        c->spsr |= SPSR_STEP;
}

/* The breakpoint of that sort that is nearest to the address: a watchpoint's access may begin before it. */
static unsigned breakpoint_find(const struct debug_state *state, bool is_watch, word address)
{
    unsigned found = 0;
    word best = UINT64_MAX;
    for (unsigned i = 0; i < ARCH_BREAKPOINTS_MAX; i++) {
        struct breakpoint breakpoint = state->breakpoints[i];
        if (breakpoint.bytes == 0 || is_watch != (breakpoint.kind != BREAKPOINT_EXECUTE))
            continue;
        word offset = address - breakpoint.address;
        word distance = offset < breakpoint.bytes ? 0 : offset >> 63 ? -offset : offset;
        if (distance < best) {
            best = distance;
            found = i;
        }
    }
    return found;
}

/* A breakpoint or watchpoint was met; the next run of the instruction passes it. */
static void breakpoint_met(struct core *core, struct debug_state *state, struct arch_context *c, bool is_watch,
                           word address)
{
    state->passed_pc = c->pc;
    state->passed_kind = is_watch;
    c->spsr |= SPSR_STEP;
    kernel_debug(core, is_watch ? DEBUG_WATCHPOINT : DEBUG_BREAKPOINT, address,
                 breakpoint_find(state, is_watch, address));
}

void debug_exception(struct core *core, struct arch_context *c, uint64_t class, uint64_t address)
{
    struct debug_state *state = core_arch(core)->debug;
    if (!state)
        return; /* none is armed: a step that was pending when stepping ended */
    if (class != CLASS_STEP) {
        bool is_watch = class == CLASS_WATCHPOINT;
        breakpoint_met(core, state, c, is_watch, is_watch ? address : c->pc);
        return;
    }
    if (state->passed_pc != 0) {
        state->passed_pc = 0;
        arch_debug_load(core, state, c);
    }
    if (state->step_count != 0)
        kernel_debug(core, DEBUG_STEP, c->pc, 0);
}
