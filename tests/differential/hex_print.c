/* printf as csmith's programs use it: one number at most, as %X. What else they could print, they print only when asked
 * to. */
#include <stdarg.h>
#include <unistd.h>

static void put(char letter)
{
    if (write(1, &letter, 1) != 1)
        _exit(1);
}

int hex_print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    for (; *format; format++) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        if (*++format != 'X')
            _exit(2);
        unsigned number = va_arg(arguments, unsigned);
        int shift = 28;
        while (shift > 0 && !(number >> shift))
            shift -= 4;
        for (; shift >= 0; shift -= 4)
            put("0123456789ABCDEF"[number >> shift & 15]);
    }
    va_end(arguments);
    return 0;
}
