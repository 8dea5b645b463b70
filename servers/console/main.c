/* The console server: gathers the lines of all programs and sends them, whole, to the UART driver.
 *
 * It answers every write at once, unless its own queue is full: then it receives nothing until the driver has made
 * room, so writers wait in the kernel and nobody's bytes are lost. proto/console.h is the protocol.
 */
#include <stdatomic.h>

#include "proto/console.h"
#include "proto/process.h"
#include "tessera/server.h"
#include "tessera/text.h"

#define WRITERS    256
#define LINE_BYTES 256 /* longer lines are cut into several */
#define NOBODY     0

struct writer {
    char name[CONSOLE_NAME_BYTES];
    bool has_prefix;
    uint32_t used[2];
    char line[2][LINE_BYTES]; /* of stdout and stderr: the unfinished ends */
};

static struct writer writers[WRITERS];
static struct uart_region *uart;
static uint32_t head, published;

static uint32_t space(void)
{
    return UART_RING_BYTES - (head - atomic_load_explicit(&uart->out_tail, memory_order_acquire));
}

/* Shows the driver what was written since the last time. */
static void publish(void)
{
    if (head == published)
        return;
    published = head;
    atomic_store_explicit(&uart->out_head, head, memory_order_release);
    notification_signal(CONSOLE_CAP_UART_SIGNAL);
}

/* Asks the driver to say when `want` bytes are free, and waits for its signal. */
static void ask_and_wait(uint32_t want)
{
    atomic_store(&uart->out_want, want);
    atomic_fetch_add(&uart->out_ask, 1);
    atomic_store_explicit(&uart->out_head, head, memory_order_release);
    published = head;
    notification_signal(CONSOLE_CAP_UART_SIGNAL);
    (void)notification_wait(PROCESS_CAP_NOTIFICATION);
}

/* Waits until `enough` bytes are free; asks the driver to say so, with some more so that it is not asked for each line.
 */
static void wait_for_space(uint32_t enough)
{
    uint32_t want = enough < UART_RING_BYTES / 2 ? UART_RING_BYTES / 2 : enough;
    while (space() < enough)
        ask_and_wait(want);
}

static void emit(const char *text, size_t length)
{
    wait_for_space((uint32_t)length);
    for (size_t i = 0; i < length; i++)
        uart->out[head++ % UART_RING_BYTES] = (uint8_t)text[i];
}

static void emit_line(struct writer *writer, uint32_t stream)
{
    if (writer->has_prefix) {
        emit(writer->name, text_length(writer->name));
        emit(": ", 2);
    }
    emit(writer->line[stream], writer->used[stream]);
    emit("\r\n", 2);
    writer->used[stream] = 0;
}

/* What a program prints cannot forge another's line or steer a terminal: control bytes are shown as '?'. */
static char printable(char c)
{
    return ((unsigned char)c < ' ' && c != '\t') || c == 127 ? '?' : c;
}

static void take_bytes(struct writer *writer, uint32_t stream, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == '\n') {
            emit_line(writer, stream);
        } else if (bytes[i] != '\r') {
            writer->line[stream][writer->used[stream]++] = printable(bytes[i]);
            if (writer->used[stream] == LINE_BYTES)
                emit_line(writer, stream);
        }
    }
}

static void console_write(const struct message *m, struct writer *writer)
{
    char bytes[CONSOLE_WRITE_BYTES];
    size_t count = (uint32_t)m->words[0];
    size_t sent = (message_info_length(m->info) - 1) * 8;
    uint32_t stream = m->words[0] >> 32 == 2 ? 1 : 0;
    if (message_info_length(m->info) == 0 || count > sent || count > sizeof(bytes))
        return;
    message_get(m, 1, bytes, count);
    take_bytes(writer, stream, bytes, count);
    publish();
}

static void console_name(const struct message *m)
{
    uint32_t index = (uint32_t)m->words[0];
    if (index == NOBODY || index >= WRITERS)
        return;
    struct writer *writer = &writers[index];
    memset(writer, 0, sizeof(*writer));
    writer->has_prefix = m->words[1] != 0;
    message_get(m, 2, writer->name, CONSOLE_NAME_BYTES - 1);
}

static void console_gone(const struct message *m)
{
    uint32_t index = (uint32_t)m->words[0];
    if (index == NOBODY || index >= WRITERS)
        return;
    for (uint32_t stream = 0; stream < 2; stream++)
        if (writers[index].used[stream] > 0)
            emit_line(&writers[index], stream);
    publish();
}

/* Waits even when the ring is empty: for the bytes in the device. */
static void flush(void)
{
    do
        ask_and_wait(UART_RING_BYTES);
    while (space() < UART_RING_BYTES);
}

static void handle(const struct message *m, word badge)
{
    uint32_t index = badge & 0xffff;
    bool is_system = index == NOBODY;
    switch (message_info_label(m->info)) {
    case CONSOLE_WRITE:
        if (index < WRITERS)
            console_write(m, &writers[index]);
        break;
    case CONSOLE_NAME:
        if (is_system)
            console_name(m);
        break;
    case CONSOLE_GONE:
        if (is_system)
            console_gone(m);
        break;
    case CONSOLE_FLUSH:
        if (is_system)
            flush();
        break;
    default:
        break;
    }
}

int program_main(const struct start_page *start)
{
    uart = (struct uart_region *)start->words[CONSOLE_WORD_REGION];
    struct message m;
    word badge;
    (void)syscall_recv(CONSOLE_CAP_ENDPOINT, CONSOLE_CAP_REPLY, &m, &badge);
    for (;;) {
        handle(&m, badge);
        m = (struct message){0};
        (void)syscall_reply_recv(CONSOLE_CAP_ENDPOINT, CONSOLE_CAP_REPLY, &m, &badge);
    }
}
