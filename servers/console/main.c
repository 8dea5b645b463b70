/* The console server: gathers the lines of all programs and sends them, whole, to the UART driver, or to the driver of
 * a line of its own, which looks the same to it.
 *
 * It answers every write at once, unless its own queue is full: then it receives nothing until the driver has made
 * room, so writers wait in the kernel and nobody's bytes are lost. proto/console.h is the protocol.
 *
 * Names, unfinished lines and input lie in memory that outlives it: should it die, the next one goes on there, and who
 * was in the middle of a call repeats it. What is written counts once the line's ring has it, so that at worst the
 * bytes of that one call appear twice.
 */
#include <stdatomic.h>

#include "proto/console.h"
#include "proto/process.h"
#include "tessera/server.h"
#include "tessera/text.h"

#define WRITERS    4096
#define LINES      256 /* unfinished at a time: with one more, the oldest goes out as it is */
#define LINE_BYTES 256 /* longer lines are cut into several */
#define NOBODY     0

struct writer {
    char name[CONSOLE_NAME_BYTES];
    bool has_prefix, is_system;
    bool may_read;
    uint16_t lines[2]; /* of stdout and stderr: which, + 1; 0: nothing is unfinished */
};

struct line {
    uint32_t writer, stream; /* NOBODY's first stream, and nothing used: perhaps free */
    uint32_t used;
    char text[LINE_BYTES];
};

static struct console_state {
    bool has_begun; /* it is an earlier console's */
    struct writer writers[WRITERS];
    uint32_t next_line; /* the one to be taken next */
    struct line lines[LINES];
    struct { /* standard input of whoever may read: it goes to who asks first */
        bool wants_signal, is_at_end;
        uint32_t in_frame;             /* bytes of the frame that are to come */
        uint32_t length, length_bytes; /* of the next frame, as far as it arrived */
        uint32_t head, tail;           /* of the bytes */
        uint8_t bytes[UART_INPUT_BYTES];
    } input;
} * state;
_Static_assert(sizeof(struct console_state) <= CONSOLE_STATE_BYTES, "the root task has room for it");
static struct uart_region *uart;
static uint32_t head, published;
static bool is_framed;

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

static void emit_line(const struct writer *writer, const char *text, uint32_t used)
{
    if (writer->has_prefix) {
        emit(writer->name, text_length(writer->name));
        emit(": ", 2);
    }
    emit(text, used);
    emit("\r\n", 2);
}

/* What a program prints cannot forge another's line or steer a terminal: control bytes are shown as '?', and so is the
 * second byte of those of U+0080 to U+009F, in UTF-8. */
static char printable(char before, char c)
{
    bool is_c1 = (unsigned char)before == 0xc2 && (unsigned char)c >= 0x80 && (unsigned char)c < 0xa0;
    return ((unsigned char)c < ' ' && c != '\t') || c == 127 || is_c1 ? '?' : c;
}

/* Whoever had it; what was unfinished goes out. */
static void line_release(struct line *line)
{
    struct writer *writer = &state->writers[line->writer];
    if (writer->lines[line->stream] != line - state->lines + 1)
        return; /* nobody has it */
    writer->lines[line->stream] = 0;
    if (line->used > 0)
        emit_line(writer, line->text, line->used);
    line->used = 0;
}

static struct line *line_take(uint32_t index, uint32_t stream)
{
    uint16_t *number = &state->writers[index].lines[stream];
    if (*number)
        return &state->lines[*number - 1];
    struct line *line = &state->lines[state->next_line++ % LINES];
    line_release(line);
    line->writer = index;
    line->stream = stream;
    *number = (uint16_t)(line - state->lines + 1);
    return line;
}

static void take_bytes(uint32_t index, uint32_t stream, const char *bytes, size_t count)
{
    struct line *line = line_take(index, stream);
    uint32_t used = line->used;
    for (size_t i = 0; i < count; i++) {
        bool is_end = bytes[i] == '\n';
        if (!is_end && bytes[i] != '\r') {
            line->text[used] = printable(used > 0 ? line->text[used - 1] : 0, bytes[i]);
            used++;
        }
        if (!is_end && used < LINE_BYTES)
            continue;
        emit_line(&state->writers[index], line->text, used);
        used = 0;
    }
    publish();
    line->used = used;
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

static void console_write(const struct message *m, uint32_t index)
{
    const struct writer *writer = &state->writers[index];
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
        take_bytes(index, stream, bytes, count);
    publish();
}

static void console_name(const struct message *m)
{
    uint32_t index = (uint32_t)m->words[0];
    if (index == NOBODY || index >= WRITERS)
        return;
    struct writer *writer = &state->writers[index];
    *writer = (struct writer){0};
    writer->has_prefix = m->words[1] & CONSOLE_PREFIX;
    writer->is_system = m->words[1] & CONSOLE_SYSTEM;
    writer->may_read = m->words[1] & CONSOLE_TERMINAL;
    message_get(m, 2, writer->name, CONSOLE_NAME_BYTES - 1);
}

static void console_gone(const struct message *m)
{
    uint32_t index = (uint32_t)m->words[0];
    if (index == NOBODY || index >= WRITERS)
        return;
    state->writers[index].may_read = false;
    for (uint32_t stream = 0; stream < 2; stream++)
        if (state->writers[index].lines[stream]) {
            line_release(&state->lines[state->writers[index].lines[stream] - 1]);
            publish();
        }
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
    return state->input.head - state->input.tail;
}

/* A terminal's keys: the line feed is what Enter means, control-D ends the file, and what is typed is shown. */
static void key_take(uint8_t key)
{
    if (key == 4) {
        state->input.is_at_end = true;
        return;
    }
    if (key == '\r')
        key = '\n';
    state->input.bytes[state->input.head++ % UART_INPUT_BYTES] = key;
    emit(key == '\n' ? "\r\n" : (const char *)&key, key == '\n' ? 2 : 1);
}

/* Two bytes of length, then so many of input; a length of 0 ends it. */
static void frame_take(uint8_t byte)
{
    uint32_t *length = &state->input.length, *length_bytes = &state->input.length_bytes;
    if (state->input.in_frame > 0) {
        state->input.in_frame--;
        state->input.bytes[state->input.head++ % UART_INPUT_BYTES] = byte;
        return;
    }
    *length |= (uint32_t)byte << 8 * *length_bytes;
    if (++*length_bytes < 2)
        return;
    state->input.in_frame = *length;
    state->input.is_at_end = state->input.is_at_end || *length == 0;
    *length = *length_bytes = 0;
}

/* Whoever found nothing before hears that there is something. */
static void input_tell(void)
{
    if (state->input.wants_signal && (input_bytes() > 0 || state->input.is_at_end)) {
        notification_signal(CONSOLE_CAP_INPUT_SIGNAL);
        state->input.wants_signal = false;
    }
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
        atomic_store_explicit(&uart->in_tail, tail, memory_order_release);
    }
    if (tail == first)
        return;
    notification_signal(CONSOLE_CAP_UART_SIGNAL); /* there is room again */
    publish();
    input_tell();
}

static void console_read(struct message *m, uint32_t index)
{
    char bytes[CONSOLE_READ_BYTES];
    bool may_read = index < WRITERS && state->writers[index].may_read;
    word count = may_read ? input_bytes() : 0;
    bool is_end = !may_read || (count == 0 && state->input.is_at_end);
    bool stays = m->words[1] == 1;
    word most = m->words[0] < sizeof(bytes) ? m->words[0] : sizeof(bytes);
    count = stays || count < most ? count : most;
    state->input.wants_signal = state->input.wants_signal || (count == 0 && !is_end);
    *m = (struct message){message_info(0, 0, 2), {count, is_end}};
    if (stays || count == 0)
        return;
    for (word i = 0; i < count; i++)
        bytes[i] = (char)state->input.bytes[state->input.tail++ % UART_INPUT_BYTES];
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
            console_write(m, index);
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

/* What an earlier console left: nothing in it may lead us astray. */
static void state_take(struct console_state *left)
{
    state = left;
    for (uint32_t i = 0; state->has_begun && i < WRITERS; i++) {
        struct writer *writer = &state->writers[i];
        writer->name[CONSOLE_NAME_BYTES - 1] = 0;
        for (uint32_t stream = 0; stream < 2; stream++)
            if (writer->lines[stream] > LINES)
                writer->lines[stream] = 0;
    }
    for (uint32_t i = 0; state->has_begun && i < LINES; i++) {
        struct line *line = &state->lines[i];
        if (line->writer >= WRITERS || line->stream > 1 || line->used >= LINE_BYTES)
            *line = (struct line){0};
    }
    if (input_bytes() > UART_INPUT_BYTES)
        state->input.head = state->input.tail;
    if (state->input.length_bytes > 1)
        state->input.length = state->input.length_bytes = 0;
    state->has_begun = true;
    state->writers[NOBODY].is_system = true;
    head = published = atomic_load(&uart->out_head);
}

int program_main(const struct start_page *start)
{
    uart = (struct uart_region *)start->words[CONSOLE_WORD_REGION];
    is_framed = start->words[CONSOLE_WORD_FRAMED];
    state_take((struct console_state *)start->words[CONSOLE_WORD_STATE]);
    if (is_framed && head == 0)
        emit_frame(CONSOLE_STREAM_LOG, "", 0); /* the line is ready: what the host sent before might be lost */
    publish();
    input_take(); /* signals may have been lost */
    input_tell();
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
