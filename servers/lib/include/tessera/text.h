/* Text for native servers: memory functions and a small formatter. */
#ifndef TESSERA_TEXT_H
#define TESSERA_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);

size_t text_length(const char *text);
bool text_equal(const char *a, const char *b);
bool text_begins(const char *text, const char *beginning);

/* Formats into `buffer` of `size` bytes, always NUL-terminated; returns the length, cut to size - 1.
 * Understands %s %.*s %c %d %u %x with l or z as length, a width and 0 or - before it, and %%. */
size_t text_format(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
size_t text_format_list(char *buffer, size_t size, const char *format, va_list arguments);

/* One line for the log, whatever was put into it: control bytes become '?', and one that was cut ends all the same.
 * `size` as in text_format; `length` > 0 is what that returned. */
void text_make_line(char *line, size_t size, size_t length);

#endif
