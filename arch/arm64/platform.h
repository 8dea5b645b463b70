/* The platform record's sources: device tree or ACPI. Both fill the same struct machine. */
#ifndef ARM64_PLATFORM_H
#define ARM64_PLATFORM_H

#include "irq.h"
#include "power.h"

#include <arch/platform.h>

struct fdt;

/* What boot.c needs besides the record that the portable kernel gets. */
struct machine {
    struct platform *platform;
    struct gic gic;
    enum psci_conduit psci;
    const char *problem;     /* a damaged table, for the console; NULL = none */
    uint64_t left_out_bytes; /* RAM in pieces for which there was no room */
};

/* Controller, timer, console, clock, PCI, cores, command line, archive; with memory (else firmware tells it otherwise):
 * RAM, which is mapped as well, and what is reserved in it. */
void platform_read_fdt(struct machine *machine, const struct fdt *fdt, bool with_memory);

/* The same but memory from the tables at `rsdp`, which are direct-mapped; false when there is no usable root. */
bool platform_read_acpi(struct machine *machine, paddr rsdp);

/* For the readers: RAM into the record and the direct map; stops the machine when there is too much of it to describe.
 */
void platform_add_ram(struct machine *machine, paddr start, paddr end);

#endif
