/* Fills the platform record from what the loader and ACPI said. */
#ifndef X86_64_PLATFORM_H
#define X86_64_PLATFORM_H

#include <arch/platform.h>
#include "loader.h"
#include "arch/platform/acpi.h"

/* Does not look at the loader's memory; stops the kernel when there is no usable memory, or the archive lies outside
 * it.
 */
void platform_fill(struct platform *platform, const struct loader_info *loader, const struct acpi_machine *machine);

#endif
