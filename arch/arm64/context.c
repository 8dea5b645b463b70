/* A thread's registers as portable code sets and shows them. See arch/thread.h. */
#include "instructions.h"

#include <abi/object.h>
#include <arch/core.h>
#include <arch/thread.h>

#define SPSR_USER_MAY_SET (SPSR_NZCV | SPSR_DIT | SPSR_SSBS)
#define SPSR_USER         (SPSR_EL0 | SPSR_FIQ_MASKED)
_Static_assert(sizeof(struct user_registers) / sizeof(word) <= ARCH_USER_REGISTERS_MAX, "arch/thread.h");

extern char idle_loop[];

void arch_context_init(struct arch_context *c)
{
    *c = (struct arch_context){.spsr = SPSR_USER};
}

void arch_context_init_idle(struct arch_context *c)
{
    *c = (struct arch_context){.pc = (word)idle_loop,
                               .spsr = SPSR_EL1T | SPSR_PAN | SPSR_FIQ_MASKED | SPSR_SERR_MASKED | SPSR_DBG_MASKED};
}

unsigned arch_context_read(const struct arch_context *c, word *registers)
{
    struct user_registers *user = (struct user_registers *)registers;
    user->pc = c->pc;
    user->sp = c->sp;
    user->spsr = c->spsr & ~SPSR_STEP;
    for (unsigned i = 0; i < 31; i++)
        user->x[i] = c->x[i];
    user->tpidr = c->tpidr;
    return sizeof(*user) / sizeof(word);
}

/* The order is that of struct user_registers; what `count` leaves out stays as it was. */
void arch_context_write(struct arch_context *c, const word *registers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (i == offsetof(struct user_registers, pc) / sizeof(word))
            c->pc = registers[i];
        else if (i == offsetof(struct user_registers, sp) / sizeof(word))
            c->sp = registers[i];
        else if (i == offsetof(struct user_registers, spsr) / sizeof(word))
            c->spsr = (registers[i] & SPSR_USER_MAY_SET) | SPSR_USER | SPSR_STEP;
        else if (i < offsetof(struct user_registers, tpidr) / sizeof(word))
            c->x[i - offsetof(struct user_registers, x) / sizeof(word)] = registers[i];
        else
            arch_context_set_tls(c, registers[i]);
    }
}
