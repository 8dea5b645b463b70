/* The kernel's own console: a 16550 that is polled, for boot lines, panics and debug builds. */
#ifndef X86_64_CONSOLE_H
#define X86_64_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#define CONSOLE_DEFAULT_PORT 0x3f8

/* A 16550 in port or memory space; `base` is a port number or a kernel virtual address, registers lie `stride` apart.
 * Sets it to 115200 8N1 without interrupts. */
void console_use(bool is_memory, uint64_t base, unsigned stride);

#endif
