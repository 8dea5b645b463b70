/* For Wasm programs that test: whether a file, of less than 64 bytes, holds just that text. */
#ifndef TESTS_HARNESS_FILE_IS_H
#define TESTS_HARNESS_FILE_IS_H

#include <stdio.h>
#include <string.h>

static inline int file_is(const char *path, const char *text)
{
    char got[64] = {0};
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(got, 1, sizeof(got) - 1, file) : 0;
    if (file)
        (void)fclose(file);
    return length == strlen(text) && strcmp(got, text) == 0;
}

#endif
