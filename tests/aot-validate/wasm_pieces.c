#include <string.h>

#include "wasm/operator.h"
#include "wasm_pieces.h"

/* ---- Writing ---- */

void write_bytes(struct writer *writer, const void *bytes, size_t size)
{
    if (size > writer->capacity - writer->size) {
        writer->is_full = true;
        size = writer->capacity - writer->size;
    }
    if (size)
        memmove(writer->bytes + writer->size, bytes, size);
    writer->size += size;
}

void write_byte(struct writer *writer, uint8_t byte)
{
    write_bytes(writer, &byte, 1);
}

void write_number(struct writer *writer, uint64_t value)
{
    do {
        write_byte(writer, (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0)));
        value >>= 7;
    } while (value);
}

void write_signed(struct writer *writer, int64_t value)
{
    while (value < -64 || value > 63) {
        write_byte(writer, (uint8_t)((value & 0x7f) | 0x80));
        value >>= 7;
    }
    write_byte(writer, (uint8_t)(value & 0x7f));
}

/* ---- Reading ---- */

bool number_read(const uint8_t *bytes, size_t size, size_t *at, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; *at < size && shift < 64; shift += 7) {
        uint8_t byte = bytes[(*at)++];
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

/* A piece with its size before it. */
static bool piece_read(const uint8_t *bytes, size_t size, size_t *at, struct piece *piece)
{
    uint64_t length;
    if (!number_read(bytes, size, at, &length) || length > size - *at)
        return false;
    piece->bytes = bytes + *at;
    piece->size = (size_t)length;
    *at += piece->size;
    return true;
}

bool sections_read(const uint8_t *bytes, size_t size, struct pieces *sections)
{
    size_t at = 8;
    sections->count = 0;
    if (size < at)
        return false;
    while (at < size) {
        struct piece section = {.id = bytes[at++]};
        if (sections->count == PIECES_MOST || !piece_read(bytes, size, &at, &section))
            return false;
        sections->list[sections->count++] = section;
    }
    return true;
}

void sections_write(struct writer *writer, const struct pieces *sections)
{
    write_bytes(writer, "\0asm\1\0\0\0", 8);
    for (size_t i = 0; i < sections->count; i++) {
        write_byte(writer, sections->list[i].id);
        write_number(writer, sections->list[i].size);
        write_bytes(writer, sections->list[i].bytes, sections->list[i].size);
    }
}

bool bodies_read(const struct piece *section, struct pieces *bodies)
{
    size_t at = 0;
    uint64_t count;
    bodies->count = 0;
    if (!number_read(section->bytes, section->size, &at, &count) || count > PIECES_MOST)
        return false;
    while (bodies->count < count) {
        if (!piece_read(section->bytes, section->size, &at, &bodies->list[bodies->count]))
            return false;
        bodies->count++;
    }
    return at == section->size;
}

void bodies_write(struct writer *writer, const struct pieces *bodies)
{
    write_number(writer, bodies->count);
    for (size_t i = 0; i < bodies->count; i++) {
        write_number(writer, bodies->list[i].size);
        write_bytes(writer, bodies->list[i].bytes, bodies->list[i].size);
    }
}

static bool locals_skip(const struct piece *body, size_t *at)
{
    uint64_t runs, number;
    if (!number_read(body->bytes, body->size, at, &runs))
        return false;
    for (; runs > 0; runs--) {
        if (!number_read(body->bytes, body->size, at, &number) || *at >= body->size)
            return false;
        uint8_t code = body->bytes[(*at)++];
        bool has_heap = code == 0x63 || code == 0x64;
        if (has_heap && !number_read(body->bytes, body->size, at, &number))
            return false;
    }
    return true;
}

bool operators_read(const struct piece *body, struct piece *locals, struct pieces *operators)
{
    size_t at = 0;
    operators->count = 0;
    if (!locals_skip(body, &at))
        return false;
    *locals = (struct piece){.bytes = body->bytes, .size = at};
    /* The reader asks the module for the number of its types only. */
    struct module module = {
        .bytes = body->bytes, .size = body->size, .features = FEATURES_ALL, .type_count = UINT32_MAX};
    struct expression code = {.offset = at, .size = (uint32_t)(body->size - at)};
    struct operator_reader reader;
    struct operation op;
    struct module_error error;
    operator_reader_open_expression(&reader, &module, code);
    while (!operator_reader_at_end(&reader) && operators->count < PIECES_MOST - 1) {
        uint64_t start = reader.position;
        if (!operator_read(&reader, &op, &error))
            break;
        operators->list[operators->count++] =
            (struct piece){.bytes = body->bytes + start, .size = (size_t)(reader.position - start)};
    }
    at = (size_t)reader.position;
    if (at < body->size)
        operators->list[operators->count++] = (struct piece){.bytes = body->bytes + at, .size = body->size - at};
    operator_reader_close(&reader);
    return true;
}

/* ---- Lists ---- */

void pieces_insert(struct pieces *pieces, size_t at, struct piece piece)
{
    if (pieces->count == PIECES_MOST)
        return;
    memmove(&pieces->list[at + 1], &pieces->list[at], (pieces->count - at) * sizeof piece);
    pieces->list[at] = piece;
    pieces->count++;
}

void pieces_remove(struct pieces *pieces, size_t at, size_t count)
{
    memmove(&pieces->list[at], &pieces->list[at + count], (pieces->count - at - count) * sizeof pieces->list[0]);
    pieces->count -= count;
}
