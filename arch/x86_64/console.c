/* The kernel's console. See console.h. Source: National Semiconductor PC16550D data sheet, table II. */
#include <arch/machine.h>
#include "console.h"
#include "instructions.h"

#define UART_DATA         0 /* divisor, low byte, while LINE_DIVISOR is set */
#define UART_INTERRUPTS   1 /* divisor, high byte */
#define UART_FIFO         2
#define UART_LINE         3
#define UART_STATUS       5
#define UART_STATUS_EMPTY 0x20
#define LINE_DIVISOR      0x80
#define LINE_8N1          0x03
#define DIVISOR_115200    1
#define FIFO_ON_AND_CLEAR 0x07
#define TRIES             100000u /* a stuck or missing UART must not hold up the kernel for ever */

static struct {
    bool is_memory;
    uint64_t base;
    unsigned stride;
} uart = {false, CONSOLE_DEFAULT_PORT, 1};

static uint8_t uart_read(unsigned number)
{
    uint64_t place = uart.base + number * uart.stride;
    return uart.is_memory ? *(volatile uint8_t *)place : port_read_8((uint16_t)place);
}

static void uart_write(unsigned number, uint8_t value)
{
    uint64_t place = uart.base + number * uart.stride;
    if (uart.is_memory)
        *(volatile uint8_t *)place = value;
    else
        port_write_8((uint16_t)place, value);
}

void console_use(bool is_memory, uint64_t base, unsigned stride)
{
    uart.is_memory = is_memory;
    uart.base = base;
    uart.stride = stride;
    uart_write(UART_INTERRUPTS, 0);
    uart_write(UART_LINE, LINE_DIVISOR | LINE_8N1);
    uart_write(UART_DATA, DIVISOR_115200);
    uart_write(UART_INTERRUPTS, 0);
    uart_write(UART_LINE, LINE_8N1);
    uart_write(UART_FIFO, FIFO_ON_AND_CLEAR);
}

static void put_byte(uint8_t byte)
{
    for (unsigned tries = 0; tries < TRIES; tries++)
        if ((uart_read(UART_STATUS) & UART_STATUS_EMPTY) != 0)
            break;
    uart_write(UART_DATA, byte);
}

void arch_console_put(char c)
{
    if (c == '\n')
        put_byte('\r');
    put_byte((uint8_t)c);
}
