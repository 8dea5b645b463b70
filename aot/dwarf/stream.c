/* Reading the primitive encodings; internal.h has the contract. */
#include <string.h>

#include "dwarf/internal.h"
#include "memory.h"

const char *const dwarf_section_names[DWARF_SECTIONS] = {
    [DWARF_INFO] = ".debug_info", [DWARF_ABBREV] = ".debug_abbrev",     [DWARF_LINE] = ".debug_line",
    [DWARF_STR] = ".debug_str",   [DWARF_LINE_STR] = ".debug_line_str", [DWARF_STR_OFFSETS] = ".debug_str_offsets",
    [DWARF_ADDR] = ".debug_addr", [DWARF_RANGES] = ".debug_ranges",     [DWARF_RNGLISTS] = ".debug_rnglists"};

struct stream stream_open(struct reading *reading, enum dwarf_section_kind section, uint64_t offset)
{
    const struct dwarf_section *source = &reading->input->sections[section];
    struct stream stream = {reading, section, source->bytes, offset, source->size, false};
    if (offset > source->size) {
        stream.position = source->size;
        stream_fail(&stream, "an offset leads outside the section");
    }
    return stream;
}

void stream_fail(struct stream *stream, const char *message)
{
    if (!stream->reading->error->message)
        *stream->reading->error = (struct dwarf_error){message, stream->section, stream->position};
    stream->has_failed = true;
    stream->position = stream->end;
}

uint64_t stream_fixed(struct stream *stream, unsigned bytes)
{
    uint64_t value = 0;
    if (stream->end - stream->position < bytes) {
        stream_fail(stream, "unexpected end");
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)stream->bytes[stream->position + i] << (8 * i);
    stream->position += bytes;
    return value;
}

/* The bits of an LEB128 number, how many there are, and its last byte. */
static uint64_t leb(struct stream *stream, unsigned *shift, uint8_t *last)
{
    uint64_t value = 0;
    *shift = 0;
    do {
        *last = (uint8_t)stream_fixed(stream, 1);
        if (*shift >= 64) {
            stream_fail(stream, "number too long");
            return 0;
        }
        value |= (uint64_t)(*last & 0x7f) << *shift;
        *shift += 7;
    } while (*last & 0x80);
    return value;
}

uint64_t stream_uleb(struct stream *stream)
{
    unsigned shift;
    uint8_t last;
    return leb(stream, &shift, &last);
}

int64_t stream_sleb(struct stream *stream)
{
    unsigned shift;
    uint8_t last;
    uint64_t value = leb(stream, &shift, &last);
    if (shift < 64 && last & 0x40)
        value |= ~(uint64_t)0 << shift;
    return (int64_t)value;
}

void stream_skip(struct stream *stream, uint64_t bytes)
{
    if (bytes > stream->end - stream->position)
        stream_fail(stream, "a length leads beyond the end");
    else
        stream->position += bytes;
}

const char *stream_text(struct stream *stream)
{
    const uint8_t *text = stream_at_end(stream) ? NULL : stream->bytes + stream->position;
    const uint8_t *end = text ? memchr(text, 0, stream->end - stream->position) : NULL;
    if (!end) {
        stream_fail(stream, "a text without an end");
        return "";
    }
    stream->position += (uint64_t)(end - text) + 1;
    return (const char *)text;
}

const char *stream_text_at(struct stream *stream, enum dwarf_section_kind section, uint64_t offset)
{
    const struct dwarf_section *source = &stream->reading->input->sections[section];
    if (offset >= source->size || !memchr(source->bytes + offset, 0, source->size - offset)) {
        stream_fail(stream, "a text's offset leads outside its section");
        return "";
    }
    return (const char *)source->bytes + offset;
}

void stream_unit(struct stream *stream, uint64_t *next)
{
    uint64_t length = stream_fixed(stream, 4);
    if (length >= 0xfffffff0)
        stream_fail(stream, "the 64-bit format is not read");
    else if (length > stream->end - stream->position)
        stream_fail(stream, "a unit's length leads beyond the end");
    *next = stream->position + (stream->has_failed ? 0 : length);
    stream->end = *next;
}

void *array_room(void *array, uint32_t count, size_t size)
{
    bool is_full = count == 0 || (count >= 16 && (count & (count - 1)) == 0);
    return is_full ? reallocate(array, count ? 2 * (size_t)count : 16, size) : array;
}
