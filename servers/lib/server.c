/* See tessera/server.h. */
#include "tessera/server.h"

#include "proto/console.h"
#include "tessera/text.h"

static struct ipc_buffer *own_buffer = (struct ipc_buffer *)PROCESS_IPC_BUFFER;

struct ipc_buffer *server_buffer(void)
{
    return own_buffer;
}

void server_set_buffer(struct ipc_buffer *buffer)
{
    own_buffer = buffer;
}

void message_put(struct message *m, unsigned at, const void *bytes, size_t count)
{
    const uint8_t *from = bytes;
    for (; count > 0; at++) {
        size_t part = count < 8 ? count : 8;
        word value = 0;
        __builtin_memcpy(&value, from, part);
        if (at < MESSAGE_REGISTERS)
            m->words[at] = value;
        else
            /* cppcheck-suppress arrayIndexOutOfBoundsCond ; callers write no message of over 120 words */
            own_buffer->words[at] = value;
        from += part;
        count -= part;
    }
}

void message_get(const struct message *m, unsigned at, void *bytes, size_t count)
{
    uint8_t *to = bytes;
    for (; count > 0; at++) {
        size_t part = count < 8 ? count : 8;
        /* cppcheck-suppress arrayIndexOutOfBoundsCond ; as above */
        word value = at < MESSAGE_REGISTERS ? m->words[at] : own_buffer->words[at];
        __builtin_memcpy(to, &value, part);
        to += part;
        count -= part;
    }
}

#define CONSOLE_TRIES 4

/* What does not fit the registers stays in the buffer while nobody answers. */
enum error console_call(struct message *m)
{
    const struct message request = *m;
    enum error status = syscall_call(PROCESS_CAP_CONSOLE, m);
    for (int tries = 1; status == ERROR_ABORTED && tries < CONSOLE_TRIES; tries++) {
        *m = request;
        status = syscall_call(PROCESS_CAP_CONSOLE, m);
    }
    return status;
}

void log_write(uint32_t stream, const char *text, size_t length)
{
    while (length > 0) {
        size_t part = length < CONSOLE_WRITE_BYTES ? length : CONSOLE_WRITE_BYTES;
        struct message m = {message_info(CONSOLE_WRITE, 0, 1 + message_words(part)), {part | (word)stream << 32}};
        message_put(&m, 1, text, part);
        if (console_call(&m) != ERROR_NONE)
            return;
        text += part;
        length -= part;
    }
}

void log_text(const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    size_t length = text_format_list(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (length > 0)
        text_make_line(line, sizeof(line), length); /* names in it may come from programs */
    log_write(1, line, length);
}
