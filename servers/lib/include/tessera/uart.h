/* A UART's registers, for its driver and for the root task before that runs: the two back-ends (16550 by ports or MMIO,
 * PL011) and nothing else differ.
 *
 * Sources: National Semiconductor PC16550D data sheet; ARM PrimeCell UART (PL011) TRM, DDI 0183.
 */
#ifndef TESSERA_UART_H
#define TESSERA_UART_H

#include <stdbool.h>
#include <stdint.h>

struct uart {
    uint32_t kind; /* enum boot_uart */
    uint64_t base; /* port number, or address where the registers are mapped */
    uint32_t port_cap;
};

/* Lets interrupts of the transmitter through; the line's speed stays as the firmware left it. */
void uart_start(const struct uart *uart);
/* Bytes that the transmitter takes now without loss. */
uint32_t uart_room(const struct uart *uart);
void uart_put(const struct uart *uart, uint8_t byte);
/* Interrupts when there is room again, when something has arrived; off as soon as that is not wanted any more. */
void uart_want(const struct uart *uart, bool room, bool input);
/* Takes a byte that arrived; false: there is none. */
bool uart_get(const struct uart *uart, uint8_t *byte);
/* True when the last byte has left. */
bool uart_is_idle(const struct uart *uart);

#endif
