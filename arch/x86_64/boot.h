/* What boot.S and boot.c share. */
#ifndef X86_64_BOOT_H
#define X86_64_BOOT_H

#include <stdint.h>

struct core;

extern uint64_t boot_entry_ticks; /* TSC at the first instruction */

/* `information` is the physical address that the loader left in ebx. Returns with a thread to run: boot.S leaves the
 * kernel by leave_kernel then. */
void boot_main(uint64_t information, uint64_t is_multiboot, struct core *core);

#endif
