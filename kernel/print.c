/* The kernel's console output: boot line, panics, debug builds. */
#include <stdarg.h>
#include <arch/machine.h>
#include <kernel/core.h>

static void print_number(word value, unsigned base, unsigned width, char fill, bool is_negative)
{
    char digits[24];
    unsigned count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    if (is_negative)
        digits[count++] = '-';
    for (; width > count; width--)
        arch_console_put(fill);
    while (count > 0)
        arch_console_put(digits[--count]);
}

static void print_string(const char *s)
{
    for (; *s; s++)
        arch_console_put(*s);
}

/* %[0][width][l] s c d u x % */
static void print_list(const char *format, va_list list)
{
    for (; *format; format++) {
        if (*format != '%') {
            arch_console_put(*format);
            continue;
        }
        char fill = ' ';
        unsigned width = 0;
        bool is_long = false;
        if (*++format == '0')
            fill = '0';
        for (; *format >= '0' && *format <= '9'; format++)
            width = width * 10 + (unsigned)(*format - '0');
        for (; *format == 'l' || *format == 'z'; format++)
            is_long = true;
        if (*format == '\0')
            return;
        if (*format == 's') {
            print_string(va_arg(list, const char *));
        } else if (*format == 'c') {
            arch_console_put((char)va_arg(list, int));
        } else if (*format == 'd') {
            long value = is_long ? va_arg(list, long) : va_arg(list, int);
            print_number(value < 0 ? -(word)value : (word)value, 10, width, fill, value < 0);
        } else if (*format == 'u' || *format == 'x') {
            word value = is_long ? va_arg(list, unsigned long) : va_arg(list, unsigned);
            print_number(value, *format == 'u' ? 10 : 16, width, fill, false);
        } else {
            arch_console_put(*format);
        }
    }
}

void print(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    print_list(format, list);
    va_end(list);
}

_Noreturn void kernel_stop(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    print("tessera: ");
    print_list(format, list);
    print("\n");
    va_end(list);
    arch_power_off(1);
}

_Noreturn void panic_at(const char *file, int line, const char *what)
{
    kernel_stop("kernel panic at %s:%d: %s", file, line, what);
}

_Noreturn void kernel_crash(struct core *core, const char *what, word pc, word address, word code)
{
    kernel_stop("kernel panic on core %u: %s, pc %lx, address %lx, code %lx, thread %lx", core->number, what, pc,
                address, code, (word)(uintptr_t)core->current);
}
