/* The interrupt controller, as the rest of arch/arm64 uses it. */
#ifndef ARM64_IRQ_H
#define ARM64_IRQ_H

#include <arch/types.h>

struct core;

#define GIC_REGIONS 4

/* What the machine's description says about a GIC. */
struct gic {
    unsigned version; /* 2 or 3 (4 is used as 3); 0 = none found */
    paddr distributor;
    paddr cpu_interface; /* version 2 */
    unsigned redistributor_count;
    struct {
        paddr address;
        uint64_t bytes;
    } redistributor[GIC_REGIONS]; /* version 3 */
    unsigned timer_interrupt;     /* INTID of the virtual timer, a PPI */
};

/* Everything masked but the timer's interrupt; stops the machine when there is nothing to work with. */
void irq_start(struct core *core, const struct gic *gic);

/* An interrupt came: called by entry.S. */
void irq_dispatch(struct core *core);

#endif
