/* How fast the time-stamp counter and the local APIC's timer run. */
#ifndef X86_64_CALIBRATE_H
#define X86_64_CALIBRATE_H

#include <stdbool.h>
#include <stdint.h>

struct acpi_machine;

struct clock_rates {
    uint64_t tsc_hz;
    uint64_t apic_hz;   /* with divide by 1; 0 when the TSC deadline makes it unnecessary */
    const char *source; /* for the boot line */
};

/* Takes less than 100 us. The local APIC must be on; its timer must be masked and is left so. */
struct clock_rates clocks_calibrate(const struct acpi_machine *machine, bool has_tsc_deadline);

#endif
