/* The translator's small helpers: memory that is always there (the process ends with a message when
 * the host has no more), texts, files. Results belong to the caller, who frees them. */
#ifndef TESSERA_AOT_MEMORY_H
#define TESSERA_AOT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed; and like realloc. */
void *allocate(size_t count, size_t size) __attribute__((returns_nonnull));
void *reallocate(void *memory, size_t count, size_t size) __attribute__((returns_nonnull));
char *copy_text(const char *text);
char *format_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "=6162" is "ab"; any other text is itself. NULL: not hexadecimal. */
char *text_from_hex(const char *text, size_t *length);
/* NULL with errno; EFBIG from two gigabytes on. */
uint8_t *read_file(const char *file, size_t *size);
/* Writes the file whole, or leaves none (what is no file, a device say, stays): false with errno. */
bool write_file(const char *file, const void *bytes, size_t size, bool is_executable);

#endif
