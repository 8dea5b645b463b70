/* The root task's voice: the UART itself, polled, until its driver runs; the console server from then on. When a server
 * has failed, the UART is polled again, since nothing can be lost any more by writing across the driver.
 */

#include "proto/console.h"
#include "root.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/text.h"
#include "tessera/uart.h"

#define EARLY_UART_ADDRESS (PROCESS_WINDOW_BASE)

static struct uart uart;
static cptr uart_frame;
static cptr console_cap;

void early_start(struct root *root)
{
    const struct boot_info *boot = root->boot;
    uart = (struct uart){.kind = boot->uart_kind, .base = boot->uart_address};
    if (boot->uart_kind == BOOT_UART_16550_PORT) {
        uart.port_cap = root_slot(root);
        if (io_port_control_issue(ROOT_IO_PORT_CONTROL, boot->uart_address, boot->uart_address + 7, ROOT_CNODE,
                                  uart.port_cap) != ERROR_NONE)
            uart.kind = BOOT_UART_NONE;
    } else if (boot->uart_kind != BOOT_UART_NONE) {
        uart_frame = root_device_frame(root, boot->uart_address & ~(PAGE_BYTES - 1), PAGE_BITS);
        static struct task self;
        cptr slot;
        self.pool = &root->pool;
        self.vspace = ROOT_VSPACE;
        if (!uart_frame || !task_map_device(&self, uart_frame, EARLY_UART_ADDRESS, &slot))
            uart.kind = BOOT_UART_NONE;
        uart.base = EARLY_UART_ADDRESS + boot->uart_address % PAGE_BYTES;
    }
}

static void early_write(const char *text, size_t length)
{
    for (size_t i = 0; i < length && uart.kind != BOOT_UART_NONE; i++) {
        while (uart_room(&uart) == 0)
            ;
        if (text[i] == '\n')
            uart_put(&uart, '\r');
        while (uart_room(&uart) == 0)
            ;
        uart_put(&uart, (uint8_t)text[i]);
    }
}

cptr early_uart_frame(void)
{
    return uart_frame;
}

void console_use(struct root *root, cptr console)
{
    console_cap = console;
    root->has_console = true;
}

/* A server on the way that fails meanwhile is started again first; what it was about to write is written once more.
 * `text` comes behind the first word. It is put where messages begin anew each time: starting a server again takes
 * messages of our own. */
static void console_send(struct root *root, const struct message *m, const char *text, size_t length)
{
    struct message call;
    do {
        supervise_wait(root, SERVER_CONSOLE);
        supervise_wait(root, SERVER_UART);
        supervise_wait(root, SERVER_LINE);
        call = *m;
        message_put(&call, 1, text, length);
    } while (root->has_console && supervise_call(root, SERVER_CONSOLE, console_cap, &call) == ERROR_ABORTED);
}

static void console_write(struct root *root, enum console_stream stream, const char *text, size_t length)
{
    while (length > 0) {
        size_t part = length < CONSOLE_WRITE_BYTES ? length : CONSOLE_WRITE_BYTES;
        struct message m = {message_info(CONSOLE_WRITE, 0, 1 + message_words(part)), {part | (word)stream << 32}};
        console_send(root, &m, text, part);
        text += part;
        length -= part;
    }
}

static void say_list(struct root *root, const char *format, va_list arguments)
{
    char line[512];
    size_t length = text_format_list(line, sizeof(line), format, arguments);
    if (root->has_console)
        console_write(root, CONSOLE_STREAM_OUTPUT, line, length);
    else
        early_write(line, length);
}

void root_verdict(struct root *root, const struct console_verdict *verdict, const char *text)
{
    char bytes[sizeof(*verdict) + ROOT_ENDING_BYTES];
    size_t length = text_format(bytes + sizeof(*verdict), sizeof(bytes) - sizeof(*verdict), "%s", text);
    memcpy(bytes, verdict, sizeof(*verdict));
    if (root->has_console && (root->system->flags & SYSTEM_FRAMED))
        console_write(root, CONSOLE_STREAM_VERDICT, bytes, sizeof(*verdict) + length);
}

void root_say(struct root *root, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say_list(root, format, arguments);
    va_end(arguments);
}

_Noreturn void root_fail(struct root *root, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say_list(root, format, arguments);
    va_end(arguments);
    root_power_off(root, 1);
}

_Noreturn void root_power_off(struct root *root, unsigned status)
{
    if (root->has_console) {
        struct message m = {message_info(CONSOLE_FLUSH, 0, 0), {0}};
        console_send(root, &m, NULL, 0);
    }
    (void)power_off(ROOT_POWER_CONTROL, status);
    root->has_console = false;
    for (;;) { /* a machine without a way to switch off stays silent here */
        struct message m;
        word badge;
        (void)syscall_wait(root->endpoint, &m, &badge);
    }
}
