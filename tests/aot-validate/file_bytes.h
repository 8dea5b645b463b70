/* A file in memory. */
#ifndef TESSERA_TESTS_FILE_BYTES_H
#define TESSERA_TESTS_FILE_BYTES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The file's bytes, in exactly as much memory, so that a sanitizer sees a read beyond them; the caller's. Ends the
 * program when it cannot be read. */
static inline uint8_t *file_bytes(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(2);
    }
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*size ? *size : 1);
    if (!bytes || fread(bytes, 1, *size, file) != *size) {
        perror(path);
        exit(2);
    }
    fclose(file);
    return bytes;
}

#endif
