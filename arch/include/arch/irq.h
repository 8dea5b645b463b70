/* The arch contract, 5: device interrupts.
 *
 * Portable code knows kernel interrupt numbers 0 .. ARCH_IRQ_COUNT - 1; the machine maps user-visible numbers (GSI,
 * INTID) and MSIs to them. Everything starts masked. On a device interrupt machine code masks the line (what would lose
 * an interrupt by it, an MSI or an edge at an I/O APIC, is left alone), finishes with the controller (EOI) and calls
 * kernel_interrupt; the driver's IRQ_HANDLER_ACK ends in arch_irq_unmask. Timer interrupts go to kernel_timer; spurious
 * ones just return.
 */
#ifndef ARCH_IRQ_H
#define ARCH_IRQ_H

#include <arch/types.h>

struct core;

/* Prepares the line that user level calls `number` with IRQ_* flags, still masked; *irq is that number, too.
 * ERROR_RANGE when there is no such line or it is the kernel's own. Called for lines without handler only. */
enum error arch_irq_configure(word number, word flags, unsigned *irq);
/* Largest number that arch_irq_configure can take (for ERROR_RANGE). */
word arch_irq_limit(void);

/* A message-signalled interrupt: ERROR_ILLEGAL_OPERATION where the machine has none, ERROR_NOT_ENOUGH_MEMORY when none
 * is left. */
enum error arch_irq_allocate_msi(unsigned *irq, word *address, word *data);
/* The handler is gone: masked for good; an MSI's vector is free again. */
void arch_irq_release(unsigned irq);

void arch_irq_mask(unsigned irq);
void arch_irq_unmask(unsigned irq);

/* Preemption points: is an interrupt waiting to be taken on this core? Interrupts are off in the kernel. Cheap. */
bool arch_irq_pending(struct core *core);

#endif
