/* The boot side of power.c: what ACPI says about switching off and resetting. */
#ifndef X86_64_POWER_H
#define X86_64_POWER_H

struct acpi_machine;

/* Takes over the registers; memory-mapped ones are mapped now, since a panic is no time for it. */
void power_start(const struct acpi_machine *machine);

#endif
