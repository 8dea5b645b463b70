/* See tessera/uart.h. */
#include "tessera/uart.h"

#include <abi/boot.h>

#include "tessera/invoke.h"

/* 16550: register numbers and bits */
enum { THR = 0, IER = 1, FCR = 2, MCR = 4, LSR = 5 };
#define IER_RECEIVED  0x01
#define IER_THR_EMPTY 0x02
#define FCR_ENABLE    0x01
#define FCR_TRIGGER   0xc0 /* interrupt at 14 bytes, or when no further one comes for the time of four */
#define MCR_OUT2      0x08 /* lets the interrupt out on PC machines */
#define MCR_DTR_RTS   0x03
#define LSR_RECEIVED  0x01
#define LSR_THR_EMPTY 0x20
#define LSR_IDLE      0x40
#define FIFO_BYTES    16

/* PL011: register offsets and bits */
enum { DR = 0x00, FR = 0x18, LCR_H = 0x2c, IMSC = 0x38, ICR = 0x44 };
#define FR_TX_FULL   0x20
#define FR_RX_EMPTY  0x10
#define FR_BUSY      0x08
#define LCR_H_FIFO   0x10
#define INTERRUPT_TX 0x20
#define INTERRUPT_RX 0x50 /* received, and received but not enough for that */

static uint32_t read_register(const struct uart *uart, uint32_t at)
{
    word value = 0;
    if (uart->kind == BOOT_UART_16550_PORT)
        (void)io_port_in(uart->port_cap, uart->base + at, 1, &value);
    else if (uart->kind == BOOT_UART_16550_MMIO)
        value = *(volatile uint8_t *)(uart->base + at);
    else
        value = *(volatile uint32_t *)(uart->base + at);
    return (uint32_t)value;
}

static void write_register(const struct uart *uart, uint32_t at, uint32_t value)
{
    if (uart->kind == BOOT_UART_16550_PORT)
        (void)io_port_out(uart->port_cap, uart->base + at, 1, value);
    else if (uart->kind == BOOT_UART_16550_MMIO)
        *(volatile uint8_t *)(uart->base + at) = (uint8_t)value;
    else
        *(volatile uint32_t *)(uart->base + at) = value;
}

void uart_start(const struct uart *uart)
{
    if (uart->kind == BOOT_UART_PL011) {
        write_register(uart, IMSC, 0);
        write_register(uart, LCR_H, read_register(uart, LCR_H) | LCR_H_FIFO);
        write_register(uart, ICR, 0x7ff);
    } else {
        write_register(uart, IER, 0);
        write_register(uart, FCR, FCR_ENABLE | FCR_TRIGGER);
        write_register(uart, MCR, MCR_DTR_RTS | MCR_OUT2);
    }
}

uint32_t uart_room(const struct uart *uart)
{
    if (uart->kind == BOOT_UART_PL011)
        return read_register(uart, FR) & FR_TX_FULL ? 0 : 1;
    return read_register(uart, LSR) & LSR_THR_EMPTY ? FIFO_BYTES : 0;
}

void uart_put(const struct uart *uart, uint8_t byte)
{
    write_register(uart, uart->kind == BOOT_UART_PL011 ? DR : THR, byte);
}

void uart_want(const struct uart *uart, bool room, bool input)
{
    if (uart->kind == BOOT_UART_PL011)
        write_register(uart, IMSC, (room ? INTERRUPT_TX : 0u) | (input ? INTERRUPT_RX : 0u));
    else
        write_register(uart, IER, (room ? IER_THR_EMPTY : 0u) | (input ? IER_RECEIVED : 0u));
}

bool uart_get(const struct uart *uart, uint8_t *byte)
{
    bool is_pl011 = uart->kind == BOOT_UART_PL011;
    bool has_byte = is_pl011 ? !(read_register(uart, FR) & FR_RX_EMPTY) : read_register(uart, LSR) & LSR_RECEIVED;
    if (has_byte)
        *byte = (uint8_t)read_register(uart, is_pl011 ? DR : THR); /* the 16550's receive buffer, when read */
    return has_byte;
}

bool uart_is_idle(const struct uart *uart)
{
    if (uart->kind == BOOT_UART_PL011)
        return !(read_register(uart, FR) & FR_BUSY);
    return read_register(uart, LSR) & LSR_IDLE;
}
