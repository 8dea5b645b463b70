/* Every kept input of the fuzzer, and every truncation of each given module, through the reader and validator.
 *
 *     validate_kept CORPUS FILE...
 *
 * The corpus is a file of tests/harness/corpus.py: each input after its length, two bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file_bytes.h"
#include "fuzz_one.h"
#include "wasm/module.h"

static unsigned long tried, accepted;

/* In memory of exactly this size, so that a read beyond it is seen. */
static void try_bytes(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, bytes, size);
    tried++;
    accepted += fuzz_one(copy, size, FEATURES_ALL) == FUZZ_VALID;
    fuzz_one(copy, size, FEATURES_WASM_2);
    free(copy);
}

static void try_corpus(const char *path)
{
    size_t size, at = 0;
    uint8_t *bytes = file_bytes(path, &size);
    while (size - at > 2) {
        size_t length = bytes[at] | (size_t)bytes[at + 1] << 8;
        at += 2;
        if (length > size - at) {
            fprintf(stderr, "%s: cut short\n", path);
            exit(1);
        }
        try_bytes(bytes + at, length);
        at += length;
    }
    free(bytes);
}

static void try_truncations(const char *path)
{
    size_t size;
    uint8_t *bytes = file_bytes(path, &size);
    for (size_t length = 0; length < size; length++)
        try_bytes(bytes, length);
    free(bytes);
}

int main(int count, char **arguments)
{
    if (count < 3) {
        fprintf(stderr, "usage: validate_kept CORPUS FILE...\n");
        return 2;
    }
    try_corpus(arguments[1]);
    unsigned long kept = tried, kept_valid = accepted;
    for (int i = 2; i < count; i++)
        try_truncations(arguments[i]);
    printf("%lu kept modules, %lu of them valid; %lu truncations\n", kept, kept_valid, tried - kept);
    return kept_valid == 0 || tried == kept;
}
