/* A module taken to pieces and put together again: what a mutation of one piece needs so that the sizes around it
 * stay right. Nothing is validated; what cannot be taken to pieces is a single one. */
#ifndef TESSERA_TESTS_WASM_PIECES_H
#define TESSERA_TESTS_WASM_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PIECES_MOST = 512 };

struct piece {
    const uint8_t *bytes;
    size_t size;
    uint8_t id; /* of a section */
};

/* Pieces in order; their bytes stay where they came from. */
struct pieces {
    size_t count;
    struct piece list[PIECES_MOST];
};

/* Bytes that grow up to `capacity`; what does not fit is left out and `is_full` set. */
struct writer {
    uint8_t *bytes;
    size_t size;
    size_t capacity;
    bool is_full;
};

void write_bytes(struct writer *writer, const void *bytes, size_t size);
void write_byte(struct writer *writer, uint8_t byte);
void write_number(struct writer *writer, uint64_t value);
void write_signed(struct writer *writer, int64_t value);

/* An unsigned LEB128 number at *at, which moves behind it. */
bool number_read(const uint8_t *bytes, size_t size, size_t *at, uint64_t *value);

/* The sections behind the eight bytes of a module's head; false when there is no head or a size is wrong. */
bool sections_read(const uint8_t *bytes, size_t size, struct pieces *sections);
void sections_write(struct writer *writer, const struct pieces *sections);

/* The bodies of a code section. */
bool bodies_read(const struct piece *section, struct pieces *bodies);
void bodies_write(struct writer *writer, const struct pieces *bodies);

/* The operators of a body; `locals` is what stands before them. Operators end where one cannot be read: the rest is the
 * last piece. */
bool operators_read(const struct piece *body, struct piece *locals, struct pieces *operators);

/* Change the list. An insertion into a full list does nothing. */
void pieces_insert(struct pieces *pieces, size_t at, struct piece piece);
void pieces_remove(struct pieces *pieces, size_t at, size_t count);

#endif
