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
    bool has_prefix, is_system;
    uint32_t used[2];
    char line[2][LINE_BYTES]; /* of stdout and stderr: the unfinished ends */
};

static struct writer writers[WRITERS];
static struct uart_region *uart;
static uint32_t head, published;
static bool is_framed;

/* Standard input of the program that has the terminal. */
static struct {
    uint32_t reader; /* its number; NOBODY: what arrives waits */
    bool wants_signal, is_at_end;
    uint32_t in_frame;   /* bytes of the frame that are to come */
    uint32_t head, tail; /* of the bytes */
    uint8_t bytes[UART_INPUT_BYTES];
} input;

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

static bool has_input; /* its signal came while we waited for room */

/* Asks the driver to say when `want` bytes are free, and waits for its signal. */
static void ask_and_wait(uint32_t want)
{
    atomic_store(&uart->out_want, want);
    atomic_fetch_add(&uart->out_ask, 1);
    atomic_store_explicit(&uart->out_head, head, memory_order_release);
    published = head;
    notification_signal(CONSOLE_CAP_UART_SIGNAL);
    for (word signals = 0; !(signals & CONSOLE_SIGNAL_UART);) { /* input is looked at by the main loop, after this */
        signals = notification_wait(PROCESS_CAP_NOTIFICATION);
        has_input = has_input || (signals & CONSOLE_SIGNAL_INPUT);
    }
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

static void emit_frame(uint8_t stream, const char *bytes, size_t count)
{
    const char frame[CONSOLE_FRAME_BYTES] = {(char)CONSOLE_FRAME, (char)stream, (char)count, (char)(count >> 8)};
    wait_for_space((uint32_t)(sizeof(frame) + count));
    emit(frame, sizeof(frame));
    emit(bytes, count);
}

/* What the system writes is its log, or what only the system may send; a program has two streams. */
static uint8_t frame_stream(const struct writer *writer, word stream)
{
    if (!writer->is_system)
        return stream == CONSOLE_STREAM_ERROR ? CONSOLE_STREAM_ERROR : CONSOLE_STREAM_OUTPUT;
    return stream == CONSOLE_STREAM_FILES || stream == CONSOLE_STREAM_VERDICT ? (uint8_t)stream : CONSOLE_STREAM_LOG;
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
    if (is_framed)
        emit_frame(frame_stream(writer, m->words[0] >> 32), bytes, count);
    else if (m->words[0] >> 32 <= CONSOLE_STREAM_ERROR)
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
    writer->has_prefix = m->words[1] & CONSOLE_PREFIX;
    writer->is_system = m->words[1] & CONSOLE_SYSTEM;
    if (m->words[1] & CONSOLE_TERMINAL)
        input.reader = index;
    message_get(m, 2, writer->name, CONSOLE_NAME_BYTES - 1);
}

static void console_gone(const struct message *m)
{
    uint32_t index = (uint32_t)m->words[0];
    if (index == NOBODY || index >= WRITERS)
        return;
    if (index == input.reader)
        input.reader = NOBODY;
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

/* ---- input --------------------------------------------------------------------------------------------------- */

static uint32_t input_bytes(void)
{
    return input.head - input.tail;
}

/* A terminal's keys: the line feed is what Enter means, control-D ends the file, and what is typed is shown. */
static void key_take(uint8_t key)
{
    if (key == 4) {
        input.is_at_end = true;
        return;
    }
    if (key == '\r')
        key = '\n';
    input.bytes[input.head++ % UART_INPUT_BYTES] = key;
    emit(key == '\n' ? "\r\n" : (const char *)&key, key == '\n' ? 2 : 1);
}

/* Two bytes of length, then so many of input; a length of 0 ends it. */
static void frame_take(uint8_t byte)
{
    static uint32_t length, length_bytes;
    if (input.in_frame > 0) {
        input.in_frame--;
        input.bytes[input.head++ % UART_INPUT_BYTES] = byte;
        return;
    }
    length |= (uint32_t)byte << 8 * length_bytes;
    if (++length_bytes < 2)
        return;
    input.in_frame = length;
    input.is_at_end = input.is_at_end || length == 0;
    length = length_bytes = 0;
}

/* From the driver's ring, as far as there is room. */
static void input_take(void)
{
    uint32_t tail = atomic_load_explicit(&uart->in_tail, memory_order_relaxed), first = tail;
    uint32_t there = atomic_load_explicit(&uart->in_head, memory_order_acquire) - tail;
    if (there > UART_INPUT_BYTES)
        return; /* nonsense */
    for (; there > 0 && input_bytes() < UART_INPUT_BYTES; there--) {
        uint8_t byte = uart->in[tail++ % UART_INPUT_BYTES];
        if (is_framed)
            frame_take(byte);
        else
            key_take(byte);
    }
    if (tail == first)
        return;
    atomic_store_explicit(&uart->in_tail, tail, memory_order_release);
    notification_signal(CONSOLE_CAP_UART_SIGNAL); /* there is room again */
    publish();
    if (input.wants_signal && (input_bytes() > 0 || input.is_at_end)) {
        input.wants_signal = false;
        notification_signal(CONSOLE_CAP_INPUT_SIGNAL);
    }
}

static void console_read(struct message *m, uint32_t index)
{
    char bytes[CONSOLE_READ_BYTES];
    word count = index == input.reader ? input_bytes() : 0;
    bool is_end = index != input.reader || (count == 0 && input.is_at_end);
    bool stays = m->words[1] == 1;
    word most = m->words[0] < sizeof(bytes) ? m->words[0] : sizeof(bytes);
    count = stays || count < most ? count : most;
    input.wants_signal = input.wants_signal || (count == 0 && !is_end);
    *m = (struct message){message_info(0, 0, 2), {count, is_end}};
    if (stays || count == 0)
        return;
    for (word i = 0; i < count; i++)
        bytes[i] = (char)input.bytes[input.tail++ % UART_INPUT_BYTES];
    m->info = message_info(0, 0, 2 + message_words(count));
    message_put(m, 2, bytes, count);
    input_take();
}

/* ---- requests ------------------------------------------------------------------------------------------------ */

/* *m becomes the answer. */
static void handle(struct message *m, word badge)
{
    struct message answer = {0};
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
    case CONSOLE_READ:
        console_read(m, index);
        return;
    default:
        break;
    }
    *m = answer;
}

int program_main(const struct start_page *start)
{
    uart = (struct uart_region *)start->words[CONSOLE_WORD_REGION];
    is_framed = start->words[CONSOLE_WORD_FRAMED];
    writers[NOBODY].is_system = true;
    if (is_framed)
        emit_frame(CONSOLE_STREAM_LOG, "", 0); /* the line is ready: what the host sent before might be lost */
    publish();
    struct message m;
    word badge;
    (void)syscall_recv(CONSOLE_CAP_ENDPOINT, CONSOLE_CAP_REPLY, &m, &badge);
    for (;;) {
        if (has_input || (badge & CONSOLE_SIGNAL_INPUT)) {
            has_input = false;
            input_take();
        }
        if (badge & (CONSOLE_SIGNAL_INPUT | CONSOLE_SIGNAL_UART)) {
            (void)syscall_recv(CONSOLE_CAP_ENDPOINT, CONSOLE_CAP_REPLY, &m, &badge);
            continue;
        }
        handle(&m, badge);
        (void)syscall_reply_recv(CONSOLE_CAP_ENDPOINT, CONSOLE_CAP_REPLY, &m, &badge);
    }
}
