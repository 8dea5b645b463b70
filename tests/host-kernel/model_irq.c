/* The model's interrupt controller, with wires on its lines and messages. See model.h.
 *
 * A level-triggered line interrupts for as long as its wire is raised and the line is open; it is masked when it does.
 * What becomes of an edge differs (arch/x86_64/irq.c, arch/arm64/irq.c):
 *
 *                      I/O APIC                                    GIC
 *     line masked      the edge is lost                            it waits until the line is open
 *     line open        one interrupt; the line is not masked       one interrupt; the line is masked
 *     messages         are edges of vectors that nobody masks      are edges of lines (GICv2m), or there are none
 */
#include "check.h"

enum model_controller model_controller;
struct model_irqs model_irqs;
unsigned model_irq_released;
bool model_interrupt_waits;
unsigned model_patience;
void (*model_patience_over)(void);
void (*model_irq_notice)(enum model_irq_event event, unsigned irq);

static bool is_line(unsigned irq)
{
    return irq < MODEL_LINES;
}

static bool is_level(unsigned irq)
{
    return is_line(irq) && (model_irqs.flags[irq] & IRQ_LEVEL) != 0;
}

static void notice(enum model_irq_event event, unsigned irq)
{
    if (model_irq_notice)
        model_irq_notice(event, irq);
}

void model_irq_reset(void)
{
    model_irqs = (struct model_irqs){.masked = (1u << MODEL_LINES) - 1};
    model_interrupt_waits = false;
    model_patience_over = NULL;
}

/* --- the arch contract --- */

enum error arch_irq_configure(word number, word flags, unsigned *irq)
{
    if (number >= MODEL_LINES)
        return ERROR_RANGE;
    if (model_controller != MODEL_IO_APIC && (flags & IRQ_LOW) != 0)
        return ERROR_INVALID_ARGUMENT;
    *irq = (unsigned)number;
    arch_irq_mask(*irq);
    model_irqs.flags[number] = flags;
    if (model_controller != MODEL_IO_APIC)
        model_irqs.waiting &= ~(1u << number);
    return ERROR_NONE;
}

word arch_irq_limit(void)
{
    return MODEL_LINES - 1;
}

enum error arch_irq_allocate_msi(unsigned *irq, word *address, word *data)
{
    if (model_controller != MODEL_IO_APIC)
        return ERROR_ILLEGAL_OPERATION;
    for (unsigned i = MODEL_LINES; i < ARCH_IRQ_COUNT; i++) {
        if (!kernel.irq_in_use[i]) {
            *irq = i;
            *address = 0xfee00000;
            *data = i;
            return ERROR_NONE;
        }
    }
    return ERROR_NOT_ENOUGH_MEMORY;
}

void arch_irq_release(unsigned irq)
{
    arch_irq_mask(irq);
    model_irq_released++;
}

void arch_irq_mask(unsigned irq)
{
    if (is_line(irq))
        model_irqs.masked |= 1u << irq;
}

void arch_irq_unmask(unsigned irq)
{
    notice(MODEL_IRQ_OPENED, irq);
    if (is_line(irq))
        model_irqs.masked &= ~(1u << irq);
}

/* --- wires and messages --- */

static void edge(unsigned irq)
{
    if (model_controller != MODEL_IO_APIC || (model_irqs.masked >> irq & 1) == 0)
        model_irqs.waiting |= 1u << irq;
}

void model_wire_set(unsigned line, bool is_raised)
{
    bool was_raised = model_irqs.raised >> line & 1;
    CHECK(is_line(line));
    notice(is_raised ? MODEL_IRQ_RAISED : MODEL_IRQ_QUIET, line);
    model_irqs.raised &= ~(1u << line);
    model_irqs.raised |= (unsigned)is_raised << line;
    if (is_raised && !was_raised && !is_level(line))
        edge(line);
}

void model_message(unsigned irq)
{
    CHECK(!is_level(irq));
    notice(MODEL_IRQ_MESSAGE, irq);
    edge(irq);
}

/* --- arrival --- */

/* A bit for each interrupt that would be taken now. */
static unsigned interrupts_due(void)
{
    unsigned level = 0, edges = model_irqs.waiting;
    for (unsigned line = 0; line < MODEL_LINES; line++)
        level |= (unsigned)is_level(line) << line;
    if (model_controller != MODEL_IO_APIC)
        edges &= ~model_irqs.masked;
    return (model_irqs.raised & level & ~model_irqs.masked) | edges;
}

bool model_interrupt_is_due(void)
{
    return interrupts_due() != 0;
}

bool model_interrupt_take(void)
{
    unsigned due = interrupts_due();
    if (due == 0)
        return false;
    unsigned irq = (unsigned)__builtin_ctz(due);
    notice(MODEL_IRQ_TAKEN, irq);
    model_irqs.waiting &= ~(1u << irq);
    if (is_level(irq) || model_controller != MODEL_IO_APIC)
        arch_irq_mask(irq);
    kernel_interrupt(model_core(), irq);
    model_check();
    return true;
}

void model_interrupt(unsigned irq)
{
    arch_irq_mask(irq);
    kernel_interrupt(model_core(), irq);
    model_check();
}

bool arch_irq_pending(struct core *core)
{
    (void)core;
    if (model_interrupt_waits && model_patience > 0) {
        model_patience--;
        return model_interrupt_is_due();
    }
    if (model_interrupt_waits && model_patience_over) {
        model_interrupt_waits = false;
        model_patience_over();
    }
    return model_interrupt_waits || model_interrupt_is_due();
}
