/* The UART driver: takes bytes from the ring it shares with the console server (proto/console.h) to the line.
 *
 * It holds the device's interrupt, its registers and nothing else. Should it die, the next one goes on where it was.
 * While there is room it writes; then it asks for the interrupt and waits. The ring's indices come from the console:
 * they are checked like a stranger's.
 */
#include <abi/boot.h>
#include <stdatomic.h>

#include "proto/console.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/uart.h"

struct driver {
    struct uart uart;
    struct uart_region *region;
    uint32_t tail, answered;
    uint32_t in_head;
    bool wants_room, wants_input; /* interrupts that are on */
};

/* Progress is announced when the console asked, and only once there is as much room as it wants. Who wants all of it is
 * about to switch the machine off: the last bytes (one FIFO's worth, bounded by the line's speed) leave first. */
static void tell_console(struct driver *driver, uint32_t left)
{
    atomic_thread_fence(memory_order_seq_cst);
    uint32_t ask = atomic_load_explicit(&driver->region->out_ask, memory_order_relaxed);
    uint32_t want = atomic_load_explicit(&driver->region->out_want, memory_order_relaxed);
    if (ask != driver->answered && UART_RING_BYTES - left >= want) {
        while (want == UART_RING_BYTES && !uart_is_idle(&driver->uart))
            ;
        driver->answered = ask;
        notification_signal(UART_CAP_CONSOLE_SIGNAL);
    }
}

/* What arrived goes into the ring as far as there is room; false when there is none: the line waits then. */
static bool input_take(struct driver *driver)
{
    uint32_t first = driver->in_head, used;
    uint8_t byte;
    for (;;) {
        used = driver->in_head - atomic_load_explicit(&driver->region->in_tail, memory_order_acquire);
        if (used >= UART_INPUT_BYTES || !uart_get(&driver->uart, &byte))
            break;
        driver->region->in[driver->in_head++ % UART_INPUT_BYTES] = byte;
        atomic_store_explicit(&driver->region->in_head, driver->in_head, memory_order_release);
    }
    if (driver->in_head != first)
        notification_signal(UART_CAP_CONSOLE_INPUT);
    return used < UART_INPUT_BYTES;
}

static void interrupts_set(struct driver *driver, bool room, bool input)
{
    if (room == driver->wants_room && input == driver->wants_input)
        return;
    driver->wants_room = room;
    driver->wants_input = input;
    uart_want(&driver->uart, room, input);
}

/* Sends what there is and what the line takes; leaves the interrupt on when something is left. */
static void pump(struct driver *driver)
{
    uint32_t left;
    for (;;) {
        left = atomic_load_explicit(&driver->region->out_head, memory_order_acquire) - driver->tail;
        if (left > UART_RING_BYTES)
            left = 0; /* nonsense: nothing to send until it makes sense again */
        uint32_t room = left > 0 ? uart_room(&driver->uart) : 0;
        if (room == 0)
            break;
        for (uint32_t i = 0; i < room && i < left; i++) {
            uart_put(&driver->uart, driver->region->out[driver->tail++ % UART_RING_BYTES]);
            atomic_store_explicit(&driver->region->out_tail, driver->tail, memory_order_release); /* if we die now */
        }
    }
    interrupts_set(driver, left > 0, input_take(driver));
    tell_console(driver, left);
}

int program_main(const struct start_page *start)
{
    static struct driver driver;
    driver.uart = (struct uart){
        .kind = (uint32_t)start->words[UART_WORD_KIND],
        .base = start->words[UART_WORD_BASE],
        .port_cap = UART_CAP_PORT,
    };
    driver.region = (struct uart_region *)start->words[UART_WORD_REGION];
    driver.tail = atomic_load(&driver.region->out_tail); /* of an earlier driver, whose work goes on here */
    driver.in_head = atomic_load(&driver.region->in_head);
    driver.answered = atomic_load(&driver.region->out_ask) - 1;
    uart_start(&driver.uart);
    (void)irq_handler_ack(UART_CAP_IRQ);
    notification_signal(UART_CAP_CONSOLE_INPUT);
    for (;;) {
        pump(&driver);
        word signals = notification_wait(PROCESS_CAP_NOTIFICATION);
        if (signals & UART_SIGNAL_IRQ) {
            interrupts_set(&driver, false, false); /* so that what is there already raises the line anew */
            (void)irq_handler_ack(UART_CAP_IRQ);
        }
    }
}
