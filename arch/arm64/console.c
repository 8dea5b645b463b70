/* The kernel's console. See console.h. Source: Arm PrimeCell UART (PL011) TRM, DDI 0183, 3.3. */
#include "console.h"
#include "instructions.h"

#include <arch/machine.h>

#define UART_DATA    0x00
#define UART_FLAGS   0x18
#define UART_CONTROL 0x30
#define UART_FULL    (1u << 5)
#define UART_ENABLED 0x101u   /* UARTEN, TXE */
#define TRIES        1000000u /* an UART that hangs must not hold up the kernel */

static uint64_t uart;

void console_use(uint64_t base)
{
    uart = base;
    device_write_32(uart + UART_CONTROL, device_read_32(uart + UART_CONTROL) | UART_ENABLED);
}

static void byte_send(uint8_t byte)
{
    for (unsigned i = 0; i < TRIES && (device_read_32(uart + UART_FLAGS) & UART_FULL) != 0; i++)
        ;
    device_write_8(uart + UART_DATA, byte);
}

void arch_console_put(char c)
{
    if (uart == 0)
        return;
    if (c == '\n')
        byte_send('\r');
    byte_send((uint8_t)c);
}
