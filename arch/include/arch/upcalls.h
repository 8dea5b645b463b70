/* The arch contract, 9: where machine code enters the portable kernel.
 *
 * All are called on the core's kernel stack with interrupts off and the interrupted thread's registers saved in
 * *core->current_context. When they return, core->current_context is the thread to run and its address space, TLS base
 * and FP state are loaded: machine code restores its registers and leaves. Nothing else of the kernel's stack survives.
 */
#ifndef ARCH_UPCALLS_H
#define ARCH_UPCALLS_H

#include <abi/fault.h>
#include <arch/core.h>
#include <arch/platform.h>

/* Once, on the boot core, with an empty user space loaded, controller, timer and FP set up, and core->arch ready. The
 * record need not outlive the call. Returns with the root task as the thread to run, or ends in arch_power_off. */
void kernel_boot(struct core *core, struct platform *platform);

/* A system call with this number (any value: unknown ones are a fault). The saved pc is behind the trap instruction. */
void kernel_syscall(struct core *core, word number);

/* A Call on an object that is invoked, which the fast path has looked up. */
struct slot;
void kernel_invoke(struct core *core, struct slot *slot);

/* Device interrupt `irq` came; see arch/irq.h. */
void kernel_interrupt(struct core *core, unsigned irq);

/* The timer set by arch_timer_set fired (or an earlier deadline did). */
void kernel_timer(struct core *core);

/* The running user thread faulted; `kind` and the words are those of abi/fault.h from word 2 on. The saved pc is the
 * faulting instruction. */
void kernel_fault(struct core *core, enum fault kind, word w2, word w3, word w4);

/* The running user thread made a step or met a breakpoint or watchpoint; see abi/fault.h. */
void kernel_debug(struct core *core, enum debug_reason reason, word address, word number);

/* An exception in kernel mode: prints what is known and stops the machine. */
_Noreturn void kernel_crash(struct core *core, const char *what, word pc, word address, word code);

/* Stops the machine with one line, for boot code: "tessera: " then the formatted text (print.h). */
_Noreturn void kernel_stop(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Formatted output on the kernel's console: %s %c %d %u %x %lu %lx %ld %%, widths with 0. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
