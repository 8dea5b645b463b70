/* Interrupt controllers: local APIC, I/O APICs, MSI. Vectors: irq.h; contract: arch/irq.h.
 *
 * A level-triggered line is masked at the I/O APIC until its driver acknowledges. An edge-triggered one is not: an I/O
 * APIC forgets edges that come while a line is masked, and one edge raises one interrupt, so nothing can storm.
 *
 * Sources: Intel SDM vol. 3, chapter 11 (local APIC; 11.11 MSI address and data); 82093AA I/O APIC data sheet, 3.2;
 * 8259A data sheet.
 */
#include <abi/object.h>
#include <arch/irq.h>
#include <arch/upcalls.h>
#include "irq.h"
#include "apic.h"
#include "cpu.h"
#include "mmu.h"
#include "arch/platform/acpi.h"

#define MSR_APIC_BASE       0x1b
#define APIC_BASE_ENABLE    (1u << 11)
#define APIC_BASE_X2APIC    (1u << 10)
#define APIC_ENABLE         (1u << 8)
#define APIC_DEFAULT        0xfee00000u
#define PIC_1_DATA          0x21
#define PIC_2_DATA          0xa1
#define IO_APIC_SELECT      0x00
#define IO_APIC_WINDOW      0x10
#define IO_APIC_VERSION     1
#define IO_APIC_ENTRY(line) (0x10 + 2 * (line))
#define LINE_MASKED         (1u << 16)
#define LINE_LEVEL          (1u << 15)
#define LINE_LOW            (1u << 13)
#define MSI_ADDRESS         0xfee00000u

volatile uint8_t *apic_registers;

static struct io_apic {
    volatile uint8_t *registers;
    uint32_t first, count; /* its global system interrupts */
} io_apics[ACPI_IO_APICS];
static unsigned io_apic_count;

static uint32_t line_entry[IRQ_LINES]; /* the low word of a line's redirection entry; 0 = never configured */
static uint64_t msi_used[(IRQ_MSIS + 63) / 64];
static uint32_t boot_apic_id;

/* ---- set-up ---- */

static void local_apic_start(const struct acpi_machine *machine)
{
    uint64_t base = msr_read(MSR_APIC_BASE) | APIC_BASE_ENABLE;
    msr_write(MSR_APIC_BASE, base);
    if (cpu.has_x2apic) { /* only from the enabled state: SDM 11.12.5 */
        base |= APIC_BASE_X2APIC;
        msr_write(MSR_APIC_BASE, base);
    }
    if ((base & APIC_BASE_X2APIC) == 0) {
        uint64_t address = machine->local_apic_address != 0 ? machine->local_apic_address : APIC_DEFAULT;
        apic_registers = (volatile uint8_t *)device_map(address);
    }
    boot_apic_id = apic_registers == NULL ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
    apic_write(APIC_TASK_PRIORITY, 0);
    apic_write(APIC_LINT0_ENTRY, APIC_ENTRY_MASKED);
    apic_write(APIC_TIMER_ENTRY, APIC_ENTRY_MASKED | VECTOR_TIMER);
    apic_write(APIC_ERROR_ENTRY, VECTOR_ERROR);
    apic_write(APIC_SPURIOUS, APIC_ENABLE | VECTOR_SPURIOUS);
}

static uint32_t io_apic_read(const struct io_apic *apic, uint32_t number)
{
    *(volatile uint32_t *)(apic->registers + IO_APIC_SELECT) = number;
    return *(volatile uint32_t *)(apic->registers + IO_APIC_WINDOW);
}

static void io_apic_write(const struct io_apic *apic, uint32_t number, uint32_t value)
{
    *(volatile uint32_t *)(apic->registers + IO_APIC_SELECT) = number;
    *(volatile uint32_t *)(apic->registers + IO_APIC_WINDOW) = value;
}

static void io_apic_start(const struct acpi_io_apic *found)
{
    struct io_apic *apic = &io_apics[io_apic_count];
    apic->registers = (volatile uint8_t *)device_map(found->address);
    apic->first = found->first_interrupt;
    if (apic->registers == NULL || apic->first >= IRQ_LINES)
        return;
    apic->count = (io_apic_read(apic, IO_APIC_VERSION) >> 16 & 0xff) + 1;
    if (apic->count > IRQ_LINES - apic->first)
        apic->count = IRQ_LINES - apic->first;
    for (uint32_t line = 0; line < apic->count; line++)
        io_apic_write(apic, IO_APIC_ENTRY(line), LINE_MASKED);
    io_apic_count++;
}

void irq_start(const struct acpi_machine *machine)
{
    port_write_8(PIC_1_DATA, 0xff);
    port_write_8(PIC_2_DATA, 0xff);
    local_apic_start(machine);
    for (unsigned i = 0; i < machine->io_apic_count; i++)
        io_apic_start(&machine->io_apic[i]);
}

/* ---- lines ---- */

static const struct io_apic *io_apic_of(unsigned line)
{
    for (unsigned i = 0; i < io_apic_count; i++)
        if (line >= io_apics[i].first && line - io_apics[i].first < io_apics[i].count)
            return &io_apics[i];
    return NULL;
}

static void line_write(unsigned line, uint32_t entry)
{
    const struct io_apic *apic = io_apic_of(line);
    if (apic == NULL)
        return;
    io_apic_write(apic, IO_APIC_ENTRY(line - apic->first) + 1, boot_apic_id << 24);
    io_apic_write(apic, IO_APIC_ENTRY(line - apic->first), entry);
}

enum error arch_irq_configure(word number, word flags, unsigned *irq)
{
    if (number >= IRQ_LINES || io_apic_of((unsigned)number) == NULL)
        return ERROR_RANGE;
    uint32_t entry = VECTOR_FIRST_LINE + (uint32_t)number;
    if ((flags & IRQ_LEVEL) != 0)
        entry |= LINE_LEVEL;
    if ((flags & IRQ_LOW) != 0)
        entry |= LINE_LOW;
    line_entry[number] = entry;
    line_write((unsigned)number, entry | LINE_MASKED);
    *irq = (unsigned)number;
    return ERROR_NONE;
}

word arch_irq_limit(void)
{
    word limit = 0;
    for (unsigned i = 0; i < io_apic_count; i++)
        if (io_apics[i].first + io_apics[i].count > limit)
            limit = io_apics[i].first + io_apics[i].count;
    return limit == 0 ? 0 : limit - 1;
}

void arch_irq_mask(unsigned irq)
{
    if (irq < IRQ_LINES && line_entry[irq] != 0)
        line_write(irq, line_entry[irq] | LINE_MASKED);
}

void arch_irq_unmask(unsigned irq)
{
    if (irq < IRQ_LINES && line_entry[irq] != 0)
        line_write(irq, line_entry[irq]);
}

/* ---- messages ---- */

enum error arch_irq_allocate_msi(unsigned *irq, word *address, word *data)
{
    for (unsigned i = 0; i < IRQ_MSIS; i++) {
        if ((msi_used[i / 64] >> i % 64 & 1) != 0)
            continue;
        msi_used[i / 64] |= 1ul << i % 64;
        *irq = IRQ_LINES + i;
        *address = MSI_ADDRESS | boot_apic_id << 12;
        *data = VECTOR_FIRST_MSI + i;
        return ERROR_NONE;
    }
    return ERROR_NOT_ENOUGH_MEMORY;
}

void arch_irq_release(unsigned irq)
{
    arch_irq_mask(irq);
    if (irq < IRQ_LINES)
        line_entry[irq] = 0;
    else
        msi_used[(irq - IRQ_LINES) / 64] &= ~(1ul << (irq - IRQ_LINES) % 64);
}

/* ---- arrival ---- */

void interrupt_arrived(struct core *core, uint64_t vector)
{
    if (vector == VECTOR_SPURIOUS)
        return;
    if (vector == VECTOR_ERROR) {
        apic_write(APIC_ERROR_STATUS, 0);
        apic_write(APIC_END_OF_INTERRUPT, 0);
        return;
    }
    unsigned irq = (unsigned)vector - VECTOR_FIRST_LINE;
    if (irq < IRQ_LINES && (line_entry[irq] & LINE_LEVEL) != 0)
        arch_irq_mask(irq);
    apic_write(APIC_END_OF_INTERRUPT, 0);
    if (vector == VECTOR_TIMER)
        kernel_timer(core);
    else if (irq < ARCH_IRQ_COUNT)
        kernel_interrupt(core, irq);
}

bool arch_irq_pending(struct core *core)
{
    (void)core;
    uint32_t waiting = 0;
    for (unsigned i = 1; i < 8; i++)
        waiting |= apic_read(APIC_REQUESTS + 16 * i);
    return waiting != 0;
}
