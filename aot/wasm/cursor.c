/* Reading the primitive encodings of the binary format: bytes, LEB128, floats, vectors' lengths, names.
 * Source: core specification, "Binary Format", "Values". */
#include <string.h>

#include "internal.h"

static bool cursor_end(const struct cursor *cursor)
{
    const char *what = cursor->end == cursor->module->size ? "unexpected end" : "unexpected end of section or function";
    return cursor_malformed(cursor, cursor->end, "%s", what);
}

bool cursor_read_byte(struct cursor *cursor, uint8_t *value)
{
    if (cursor->position >= cursor->end)
        return cursor_end(cursor);
    *value = cursor->module->bytes[cursor->position++];
    return true;
}

bool cursor_read_code(struct cursor *cursor, uint8_t *value)
{
    if (!cursor_read_byte(cursor, value))
        return false;
    if (*value & 0x80)
        return cursor_malformed(cursor, cursor->position - 1, "integer representation too long");
    return true;
}

/* An LEB128 number of at most `bits` bits, 32, 33 or 64, in the low bits of *value; a signed one is extended. The last
 * byte that `bits` allow has no continuation, and its unused bits are zero or copies of the sign. */
static bool cursor_read_leb(struct cursor *cursor, unsigned bits, bool is_signed, uint64_t *value)
{
    uint64_t start = cursor->position;
    uint64_t result = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        if (!cursor_read_byte(cursor, &byte))
            return false;
        uint64_t payload = byte & 0x7f;
        unsigned left = bits - shift;
        if (left < 7) {
            if (byte & 0x80)
                return cursor_malformed(cursor, start, "integer representation too long");
            uint64_t unused = payload >> (is_signed ? left - 1 : left);
            uint64_t ones = 0x7fu >> (is_signed ? left - 1 : left);
            if (unused != 0 && !(is_signed && unused == ones))
                return cursor_malformed(cursor, start, "integer too large");
        }
        result |= payload << shift;
        shift += 7;
    } while (byte & 0x80);
    if (is_signed && shift < 64 && (byte & 0x40))
        result |= ~(uint64_t)0 << shift;
    *value = result;
    return true;
}

bool cursor_read_u32(struct cursor *cursor, uint32_t *value)
{
    /* Nearly every number is below 128. */
    if (cursor->position < cursor->end && cursor->module->bytes[cursor->position] < 0x80) {
        *value = cursor->module->bytes[cursor->position++];
        return true;
    }
    uint64_t wide;
    if (!cursor_read_leb(cursor, 32, false, &wide))
        return false;
    *value = (uint32_t)wide;
    return true;
}

bool cursor_read_u64(struct cursor *cursor, uint64_t *value)
{
    return cursor_read_leb(cursor, 64, false, value);
}

bool cursor_read_s32(struct cursor *cursor, int32_t *value)
{
    uint64_t wide;
    if (!cursor_read_leb(cursor, 32, true, &wide))
        return false;
    *value = (int32_t)(uint32_t)wide;
    return true;
}

bool cursor_read_s33(struct cursor *cursor, int64_t *value)
{
    uint64_t wide;
    if (!cursor_read_leb(cursor, 33, true, &wide))
        return false;
    *value = (int64_t)wide;
    return true;
}

bool cursor_read_s64(struct cursor *cursor, int64_t *value)
{
    uint64_t wide;
    if (!cursor_read_leb(cursor, 64, true, &wide))
        return false;
    *value = (int64_t)wide;
    return true;
}

bool cursor_read_fixed(struct cursor *cursor, unsigned size, uint64_t *value)
{
    if (cursor->end - cursor->position < size)
        return cursor_end(cursor);
    uint64_t result = 0;
    for (unsigned i = 0; i < size; i++)
        result |= (uint64_t)cursor->module->bytes[cursor->position + i] << (8 * i);
    cursor->position += size;
    *value = result;
    return true;
}

bool cursor_skip(struct cursor *cursor, uint64_t size)
{
    if (cursor->end - cursor->position < size)
        return cursor_malformed(cursor, cursor->position, "length out of bounds: %llu bytes, but only %llu are left",
                                (unsigned long long)size, (unsigned long long)(cursor->end - cursor->position));
    cursor->position += size;
    return true;
}

bool cursor_read_count(struct cursor *cursor, uint32_t limit, unsigned element_bytes, const char *what, uint32_t *count)
{
    uint64_t offset = cursor->position;
    if (!cursor_read_u32(cursor, count))
        return false;
    uint64_t left = cursor->end - cursor->position;
    if (*count > left / element_bytes)
        return cursor_malformed(cursor, offset, "unexpected end of section or function: %u %s in %llu bytes", *count,
                                what, (unsigned long long)left);
    if (*count > limit)
        return cursor_unsupported(cursor, offset, "too many %s: %u, the limit is %u", what, *count, limit);
    return true;
}

/* Length of the UTF-8 sequence at `bytes`, of which `left` (at least 1) are there; 0 when there is none.
 * Source: Unicode Standard, table 3-7 "Well-Formed UTF-8 Byte Sequences". */
static unsigned utf8_sequence(const uint8_t *bytes, uint64_t left)
{
    uint8_t lead = bytes[0];
    if (lead < 0x80)
        return 1;
    unsigned length = lead >= 0xc2 && lead <= 0xdf   ? 2
                      : (lead & 0xf0) == 0xe0        ? 3
                      : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                     : 0;
    if (length == 0 || left < length)
        return 0;
    for (unsigned i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    }
    bool is_overlong = (lead == 0xe0 && bytes[1] < 0xa0) || (lead == 0xf0 && bytes[1] < 0x90);
    bool is_surrogate = lead == 0xed && bytes[1] > 0x9f;
    bool is_too_large = lead == 0xf4 && bytes[1] > 0x8f;
    return is_overlong || is_surrogate || is_too_large ? 0 : length;
}

bool cursor_read_name(struct cursor *cursor, struct name *name)
{
    uint32_t length;
    if (!cursor_read_u32(cursor, &length))
        return false;
    uint64_t start = cursor->position;
    if (!cursor_skip(cursor, length))
        return false;
    const uint8_t *bytes = cursor->module->bytes + start;
    for (uint32_t i = 0; i < length;) {
        unsigned step = utf8_sequence(bytes + i, length - i);
        if (step == 0)
            return cursor_malformed(cursor, start + i, "malformed UTF-8 encoding");
        i += step;
    }
    name->bytes = (const char *)bytes;
    name->length = length;
    return true;
}
