/* The arch contract, 2: a thread's registers.
 *
 * struct arch_context is the first member of struct tcb and core->current points to it (offset 0 of struct core), so
 * entry code saves into it and restores from it without knowing more. Portable code never names a register.
 */
#ifndef ARCH_THREAD_H
#define ARCH_THREAD_H

#include <arch/types.h>

struct core;

#include <machine/thread.h>
#ifndef ARCH_FPU_FUNCTION /* a machine's attributes of these functions */
#define ARCH_FPU_FUNCTION
#endif
/* <machine/thread.h> defines:
 *
 *   struct arch_context      the user registers, including the TLS base; small, hot, aligned to 16
 *   struct arch_fpu          FP/SIMD state, aligned as the machine wants; TCB memory is zeroed when made: all zero must
 *                            mean (or arch_fpu_restore must take it as) the initial state. At most 1088 bytes.
 *
 * and, static inline, on struct arch_context *c (layout of abi/message.h; call it "the system-call registers"):
 *
 *   word arch_context_destination(c)         the register with cptr (bits 0..31) and reply cptr (bits 32..63)
 *   word arch_context_info(c)                message info
 *   word arch_context_mr(c, unsigned i)      message word i, i < MESSAGE_REGISTERS
 *   void arch_context_set_mr(c, i, word)
 *   void arch_context_set_info(c, word)
 *   void arch_context_set_badge(c, word)
 *   void arch_context_set_status(c, word)
 *   void arch_context_copy_message(to, from)     all eight message words
 *   word arch_context_pc(c), arch_context_sp(c), arch_context_flags(c)     flags: rflags, spsr
 *   void arch_context_set_pc(c, word), arch_context_set_sp(c, word)        any value from user level is safe: a
 *                                            non-canonical or kernel pc ends in a user fault, never in a kernel one
 *   void arch_context_restart(c)             the thread stopped in a system call: its pc goes back to the trap
 *                                            instruction, and every input register still holds what it held
 *   void arch_context_set_argument(c, word)  first C argument (rdi, x0), for the root task
 *   void arch_context_set_tls(c, word)       any value is safe
 *   word arch_context_number(c)              the system-call number (rax; from the trapped instruction on arm64 entry
 *                                            code passes it, so arm64 may return 0: debug output only)
 */

/* A new user thread: user mode, interrupts on, everything else zero. */
void arch_context_init(struct arch_context *c);

/* The idle thread of a core: kernel mode, interrupts on, waits for interrupts for ever. An interrupt taken from it
 * saves into its context like one taken from user mode (kernel mode is recognised by the saved state). */
void arch_context_init_idle(struct arch_context *c);

/* struct user_registers of abi/object.h, as words. `read` fills them all and returns how many there are. `write` takes
 * `count` words, at most that number, and makes them safe: privileged flags are masked, addresses are harmless. The
 * thread is not the one whose registers are live (the caller has made sure that its context is saved). */
#define ARCH_USER_REGISTERS_MAX 40
unsigned arch_context_read(const struct arch_context *c, word *registers);
void arch_context_write(struct arch_context *c, const word *registers, unsigned count);

/* Called when core->current changes from a thread to another: what is live in the CPU but not saved by entry code and
 * not part of arch_space_switch or FP: TLS base and the like. */
/* static inline void arch_context_switch(struct core *core, struct arch_context *from, struct arch_context *to);
 * in <machine/thread.h>. */

/* FP/SIMD. Between switches FP use at user level is off unless enabled; with it off it traps (FAULT_USER_EXCEPTION). */
ARCH_FPU_FUNCTION void arch_fpu_save(struct arch_fpu *fpu);
ARCH_FPU_FUNCTION void arch_fpu_restore(const struct arch_fpu *fpu);
/* static inline void arch_fpu_enable(bool on): in <machine/thread.h>. portable code calls it only when it changes. */

#endif
