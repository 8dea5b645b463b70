/* The kernel's console: a PL011 at 115200 or whatever the firmware set. */
#ifndef ARM64_CONSOLE_H
#define ARM64_CONSOLE_H

#include <stdint.h>

/* `base` is a virtual address (device_map). */
void console_use(uint64_t base);

#endif
