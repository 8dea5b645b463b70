/* Interrupt vectors of x86-64, and the controllers' set-up at boot. Contract: arch/irq.h.
 *
 *   32 .. 127   lines of the I/O APICs: vector - 32 is both the global system interrupt and the kernel's number
 *   128 .. 239  message-signalled interrupts, handed out one by one
 *   240         the local APIC's timer
 *   254, 255    the local APIC's error and spurious interrupts
 */
#ifndef X86_64_IRQ_H
#define X86_64_IRQ_H

#include <stdint.h>

struct acpi_machine;
struct core;

#define VECTOR_FIRST_LINE 32
#define IRQ_LINES         96
#define VECTOR_FIRST_MSI  128
#define IRQ_MSIS          112
#define VECTOR_TIMER      240
#define VECTOR_ERROR      254
#define VECTOR_SPURIOUS   255

/* Local APIC on, legacy PICs silenced, every line masked. */
void irq_start(const struct acpi_machine *machine);

/* Called by entry.S. */
void interrupt_arrived(struct core *core, uint64_t vector);

#endif
