/* Builds modules byte by byte for the tests of the reader. Contents of sections are given as they
 * are encoded; sizes are filled in. */
#ifndef TESSERA_TESTS_WASM_BUILDER_H
#define TESSERA_TESTS_WASM_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

/* A string literal's bytes and their number, its final NUL not among them. */
#define LITERAL(text) (text), sizeof(text) - 1

static inline void bytes_add(struct bytes *bytes, const void *data, size_t size)
{
    if (bytes->capacity - bytes->size < size) {
        bytes->capacity = 2 * (bytes->capacity + size);
        bytes->data = realloc(bytes->data, bytes->capacity);
        if (!bytes->data)
            abort();
    }
    if (size)
        memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
}

static inline void bytes_add_byte(struct bytes *bytes, uint8_t byte)
{
    bytes_add(bytes, &byte, 1);
}

static inline void bytes_add_u32(struct bytes *bytes, uint32_t value)
{
    do {
        bytes_add_byte(bytes, (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0)));
        value >>= 7;
    } while (value);
}

static inline void bytes_free(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){0};
}

static inline void bytes_add_header(struct bytes *bytes)
{
    bytes_add(bytes, "\0asm\1\0\0\0", 8);
}

static inline void bytes_add_section(struct bytes *bytes, uint8_t id, const void *contents, size_t size)
{
    bytes_add_byte(bytes, id);
    bytes_add_u32(bytes, (uint32_t)size);
    bytes_add(bytes, contents, size);
}

/* A body: its size, its local declarations as they are, its operators as they are. */
static inline void bytes_add_body(struct bytes *bytes, const void *locals, size_t locals_size, const void *code,
                                  size_t code_size)
{
    bytes_add_u32(bytes, (uint32_t)(locals_size + code_size));
    bytes_add(bytes, locals, locals_size);
    bytes_add(bytes, code, code_size);
}

#endif
