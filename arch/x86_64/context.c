/* Threads' registers: contract arch/thread.h. */
#include <abi/object.h>
#include <arch/thread.h>

/* What user mode may see changed in RFLAGS: CF PF AF ZF SF TF DF OF AC ID. IF is always on, IOPL 0, NT off. */
#define RFLAGS_USER   0x240dd5ul
#define RFLAGS_FIXED  0x2ul
#define RFLAGS_ENABLE 0x200ul

#define REGISTERS (sizeof(struct user_registers) / sizeof(word))
_Static_assert(REGISTERS <= ARCH_USER_REGISTERS_MAX, "arch/thread.h");

/* Where a register of struct user_registers lives in struct arch_context, in that struct's order. */
#define AT(field) offsetof(struct arch_context, field) / sizeof(word)
static const uint8_t places[REGISTERS] = {
    AT(rip),        AT(rsp),        AT(rflags),     AT(rax),        AT(message[4]), AT(rcx),        AT(message[0]),
    AT(rsi),        AT(rdi),        AT(rbp),        AT(message[2]), AT(message[3]), AT(message[1]), AT(r11),
    AT(message[5]), AT(message[6]), AT(message[7]), AT(r15),        AT(fs_base),    AT(gs_base),
};

void arch_context_init(struct arch_context *c)
{
    *c = (struct arch_context){.rflags = RFLAGS_FIXED | RFLAGS_ENABLE, .trap = TRAP_INTERRUPT};
}

void arch_context_init_idle(struct arch_context *c)
{
    *c = (struct arch_context){.trap = TRAP_IDLE};
}

unsigned arch_context_read(const struct arch_context *c, word *registers)
{
    struct arch_context copy = *c;
    if (copy.trap == TRAP_SYSCALL)
        copy.rcx = copy.r11 = 0;
    for (unsigned i = 0; i < REGISTERS; i++)
        registers[i] = ((const word *)&copy)[places[i]];
    return REGISTERS;
}

void arch_context_write(struct arch_context *c, const word *registers, unsigned count)
{
    if (c->trap == TRAP_SYSCALL)
        c->rcx = c->r11 = 0;
    for (unsigned i = 0; i < count && i < REGISTERS; i++)
        ((word *)c)[places[i]] = registers[i];
    c->rip = context_safe_address(c->rip);
    c->rflags = (c->rflags & RFLAGS_USER) | RFLAGS_FIXED | RFLAGS_ENABLE;
    c->fs_base = context_safe_address(c->fs_base);
    c->gs_base = context_safe_address(c->gs_base);
    c->trap = TRAP_INTERRUPT;
}
