/* See tessera/text.h. */
#include "tessera/text.h"

int memcmp(const void *a, const void *b, size_t bytes)
{
    const uint8_t *left = a, *right = b;
    for (size_t i = 0; i < bytes; i++)
        if (left[i] != right[i])
            return left[i] < right[i] ? -1 : 1;
    return 0;
}

size_t text_length(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

bool text_equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

bool text_begins(const char *text, const char *beginning)
{
    while (*beginning && *text == *beginning)
        text++, beginning++;
    return !*beginning;
}

struct output {
    char *buffer;
    size_t size, length;
};

static void put(struct output *out, char c)
{
    if (out->length + 1 < out->size)
        out->buffer[out->length++] = c;
}

struct field {
    unsigned width;
    bool is_left, is_zero;
};

static void put_padded(struct output *out, const char *text, size_t length, struct field field)
{
    size_t pad = field.width > length ? field.width - length : 0;
    for (; pad > 0 && !field.is_left; pad--)
        put(out, field.is_zero ? '0' : ' ');
    for (size_t i = 0; i < length; i++)
        put(out, text[i]);
    for (; pad > 0; pad--)
        put(out, ' ');
}

static void put_number(struct output *out, uint64_t value, unsigned base, bool is_negative, struct field field)
{
    char digits[24];
    size_t at = sizeof(digits);
    do
        digits[--at] = "0123456789abcdef"[value % base];
    while ((value /= base) > 0);
    if (is_negative)
        digits[--at] = '-';
    put_padded(out, digits + at, sizeof(digits) - at, field);
}

static const char *parse_field(const char *format, struct field *field)
{
    *field = (struct field){0};
    for (; *format == '-' || *format == '0'; format++) {
        field->is_left |= *format == '-';
        field->is_zero |= *format == '0';
    }
    for (; *format >= '0' && *format <= '9'; format++)
        field->width = field->width * 10 + (unsigned)(*format - '0');
    return format;
}

size_t text_format_list(char *buffer, size_t size, const char *format, va_list list)
{
    struct output out = {buffer, size, 0};
    va_list arguments;
    va_copy(arguments, list);
    for (; *format; format++) {
        if (*format != '%') {
            put(&out, *format);
            continue;
        }
        struct field field;
        format = parse_field(format + 1, &field);
        bool is_long = *format == 'l' || *format == 'z';
        format += is_long;
        if (*format == 's') {
            const char *text = va_arg(arguments, const char *);
            put_padded(&out, text, text_length(text), field);
        } else if (*format == '.' && format[1] == '*' && format[2] == 's') {
            int length = va_arg(arguments, int);
            put_padded(&out, va_arg(arguments, const char *), (size_t)length, field);
            format += 2;
        } else if (*format == 'c') {
            put(&out, (char)va_arg(arguments, int));
        } else if (*format == 'd') {
            int64_t value = is_long ? va_arg(arguments, int64_t) : va_arg(arguments, int);
            put_number(&out, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, value < 0, field);
        } else if (*format == 'u' || *format == 'x') {
            uint64_t value = is_long ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
            put_number(&out, value, *format == 'u' ? 10 : 16, false, field);
        } else if (*format) {
            put(&out, *format);
        } else {
            break;
        }
    }
    va_end(arguments);
    if (size > 0)
        buffer[out.length] = 0;
    return out.length;
}

size_t text_format(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t length = text_format_list(buffer, size, format, arguments);
    va_end(arguments);
    return length;
}

void text_make_line(char *line, size_t size, size_t length)
{
    for (size_t i = 0; i + 1 < length; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 127)
            line[i] = '?';
    if (length + 1 == size)
        line[length - 1] = '\n';
}
