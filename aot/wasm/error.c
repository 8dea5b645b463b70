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

/* The length of the character at `bytes`, of which `left` are there, when it does something rather than to be seen; 0
 * when not. Sources: Unicode Standard, chapter 23 "Special Areas and Format Characters" (C0, C1, U+2028 and U+2029) and
 * annex 9 (U+061C, U+200E and U+200F, U+202A to U+202E, U+2066 to U+2069). */
static size_t unseen_character(const unsigned char *bytes, size_t left)
{
    if (bytes[0] < 0x20 || bytes[0] == 0x7f)
        return 1;
    if (left >= 2 && ((bytes[0] == 0xc2 && bytes[1] < 0xa0) || (bytes[0] == 0xd8 && bytes[1] == 0x9c)))
        return 2;
    if (left < 3 || bytes[0] != 0xe2)
        return 0;
    unsigned last = bytes[2];
    bool is_unseen = (bytes[1] == 0x80 && (last == 0x8e || last == 0x8f || (last >= 0xa8 && last <= 0xae))) ||
                     (bytes[1] == 0x81 && last >= 0xa6 && last <= 0xa9);
    return is_unseen ? 3 : 0;
}

void name_show(struct name name, char *text, size_t size)
{
    size_t room = size - 1;
    size_t length = name.length;
    bool is_cut = length > room;
    if (is_cut) {
        length = room - 3;
        /* Do not cut a character in two: 10xxxxxx continues one. */
        while (length > 0 && ((unsigned char)name.bytes[length] & 0xc0) == 0x80)
            length--;
    }
    for (size_t i = 0; i < length;) {
        size_t unseen = unseen_character((const unsigned char *)name.bytes + i, length - i);
        *text++ = unseen ? '?' : name.bytes[i];
        i += unseen ? unseen : 1;
    }
    strcpy(text, is_cut ? "..." : "");
}

struct name_text name_text(struct name name)
{
    struct name_text shown = {.text = ""};
    name_show(name, shown.text, sizeof shown.text);
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
