/* Errors and how they are shown. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

static bool error_set_list(struct module_error *error, enum module_result result, uint64_t offset, uint32_t function,
                           const char *format, va_list arguments)
{
    error->result = result;
    error->offset = offset;
    error->function = function;
    vsnprintf(error->message, sizeof error->message, format, arguments);
    return false;
}

bool error_set(struct module_error *error, enum module_result result, uint64_t offset, uint32_t function,
               const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error_set_list(error, result, offset, function, format, arguments);
    va_end(arguments);
    return false;
}

bool cursor_malformed(const struct cursor *cursor, uint64_t offset, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error_set_list(cursor->error, MODULE_MALFORMED, offset, cursor->function, format, arguments);
    va_end(arguments);
    return false;
}

bool cursor_invalid(const struct cursor *cursor, uint64_t offset, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error_set_list(cursor->error, MODULE_INVALID, offset, cursor->function, format, arguments);
    va_end(arguments);
    return false;
}

bool cursor_unsupported(const struct cursor *cursor, uint64_t offset, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error_set_list(cursor->error, MODULE_UNSUPPORTED, offset, cursor->function, format, arguments);
    va_end(arguments);
    return false;
}

bool cursor_no_memory(const struct cursor *cursor)
{
    return error_set(cursor->error, MODULE_NO_MEMORY, cursor->position, cursor->function, "out of memory");
}

struct name_text name_text(struct name name)
{
    struct name_text shown;
    size_t room = sizeof shown.text - 1;
    size_t length = name.length;
    bool is_cut = length > room;
    if (is_cut) {
        length = room - 3;
        /* Do not cut a character in two: 10xxxxxx continues one. */
        while (length > 0 && ((unsigned char)name.bytes[length] & 0xc0) == 0x80)
            length--;
    }
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)name.bytes[i];
        shown.text[i] = byte < 0x20 || byte == 0x7f ? '?' : (char)byte;
    }
    shown.text[length] = '\0';
    if (is_cut)
        strcat(shown.text, "...");
    return shown;
}

void module_error_format(const struct module_error *error, const struct module *module, const char *file, char *text,
                         size_t text_size)
{
    char place[128] = "";
    if (error->function != MODULE_NO_FUNCTION) {
        struct name name = {0};
        if (module && module->functions && error->function < module->function_count)
            name = module->functions[error->function].name;
        if (name.length)
            snprintf(place, sizeof place, "function %u \"%s\": ", error->function, name_text(name).text);
        else
            snprintf(place, sizeof place, "function %u: ", error->function);
    }
    snprintf(text, text_size, "%s: %s0x%llx: %s", file, place, (unsigned long long)error->offset, error->message);
}
