/* The translator's small helpers; memory.h has the contract. */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is read and written is smaller: a module by the limit that browsers have, an image because its window is. A
 * device may never end. */
#define FILE_BYTES_MAX (2ull << 30)

static void *checked(void *memory)
{
    if (!memory) {
        fprintf(stderr, "tessera-aot: out of memory\n");
        exit(1);
    }
    return memory;
}

void *allocate(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size));
}

void *reallocate(void *memory, size_t count, size_t size)
{
    return checked(reallocarray(memory, count ? count : 1, size));
}

char *copy_text(const char *text)
{
    return checked(strdup(text));
}

char *format_text(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    return checked(length < 0 ? NULL : text);
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *found = c ? strchr(digits, c) : NULL;
    return found ? (int)(found - digits) : -1;
}

char *text_from_hex(const char *text, size_t *length)
{
    if (text[0] != '=') {
        *length = strlen(text);
        return copy_text(text);
    }
    *length = strlen(text + 1) / 2;
    char *bytes = allocate(*length + 1, 1);
    for (size_t i = 0; i < *length; i++) {
        int high = hex_digit(text[1 + 2 * i]), low = hex_digit(text[2 + 2 * i]);
        if (high < 0 || low < 0) {
            free(bytes);
            return NULL;
        }
        bytes[i] = (char)(high * 16 + low);
    }
    return bytes;
}

static uint8_t *read_descriptor(int descriptor, size_t *size)
{
    uint8_t *bytes = NULL;
    size_t used = 0, capacity = 0;
    for (;;) {
        if (used == capacity) {
            capacity = capacity ? 2 * capacity : 65536;
            bytes = reallocate(bytes, capacity, 1);
        }
        if (used >= FILE_BYTES_MAX) {
            free(bytes);
            errno = EFBIG;
            return NULL;
        }
        ssize_t got = read(descriptor, bytes + used, capacity - used);
        if (got == 0)
            break;
        if (got < 0 && errno != EINTR) {
            free(bytes);
            return NULL;
        }
        used += got > 0 ? (size_t)got : 0;
    }
    *size = used;
    return bytes;
}

uint8_t *read_file(const char *file, size_t *size)
{
    int descriptor = open(file, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return NULL;
    struct stat status;
    bool is_too_large = fstat(descriptor, &status) == 0 && status.st_size >= (off_t)FILE_BYTES_MAX;
    uint8_t *bytes = is_too_large ? NULL : read_descriptor(descriptor, size);
    int error = is_too_large ? EFBIG : errno;
    close(descriptor);
    errno = error;
    return bytes;
}

/* A program that is running cannot be overwritten, but replaced. */
static int create(const char *file, bool is_executable)
{
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode = is_executable ? 0777 : 0666;
    int descriptor = open(file, flags, mode);
    if (descriptor >= 0 || errno != ETXTBSY || unlink(file) != 0)
        return descriptor;
    return open(file, flags, mode);
}

static bool is_ordinary(int descriptor)
{
    struct stat status;
    return fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
}

bool write_file(const char *file, const void *bytes, size_t size, bool is_executable)
{
    int descriptor = create(file, is_executable);
    if (descriptor < 0)
        return false;
    bool is_removable = is_ordinary(descriptor); /* a device stays, whatever happens */
    const uint8_t *next = bytes;
    bool is_written = true;
    while (size > 0 && is_written) {
        ssize_t put = write(descriptor, next, size);
        is_written = put >= 0 || errno == EINTR;
        next += put > 0 ? put : 0;
        size -= put > 0 ? (size_t)put : 0;
    }
    int error = errno;
    if (close(descriptor) != 0 && is_written) {
        is_written = false;
        error = errno;
    }
    if (!is_written && is_removable)
        unlink(file);
    errno = error;
    return is_written;
}
