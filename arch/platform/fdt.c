/* Reader of a flattened device tree: see fdt.h for the rules.
 *
 *   base                tree_begin                       tree_end   strings_begin        strings_end
 *   | header, reserved  | BEGIN name PROP.. BEGIN .. END  |  ...     | "reg\0compatible\0 | ... bytes
 *
 * Tokens of the tree are 32-bit, aligned to four bytes from the beginning of the blob.
 */
#include "arch/platform/fdt.h"

#include <stddef.h>

#define FDT_MAGIC        0xd00dfeedu
#define FDT_HEADER_BYTES 40
#define FDT_BYTES_LIMIT  (16u << 20) /* far above any real one; keeps sums of offsets within 32 bits */
#define FDT_VERSION      17          /* the first with the size of the tree in the header */
#define FDT_COMPATIBLE   16

enum fdt_token { FDT_BEGIN_NODE = 1, FDT_END_NODE = 2, FDT_PROPERTY = 3, FDT_NOP = 4, FDT_END = 9 };

static uint32_t read32(const uint8_t *at)
{
    uint32_t value;
    __builtin_memcpy(&value, at, sizeof(value));
    return __builtin_bswap32(value);
}

static bool is_range(uint32_t begin, uint32_t bytes, uint32_t total)
{
    return begin <= total && bytes <= total - begin;
}

uint32_t fdt_total_bytes(const void *base)
{
    return read32(base) == FDT_MAGIC ? read32((const uint8_t *)base + 4) : 0;
}

bool fdt_open(struct fdt *fdt, const void *base, uint64_t limit_bytes)
{
    const uint8_t *header = base;
    if (limit_bytes < FDT_HEADER_BYTES)
        return false;
    uint32_t bytes = fdt_total_bytes(header);
    if (bytes < FDT_HEADER_BYTES || bytes > limit_bytes || bytes > FDT_BYTES_LIMIT)
        return false;
    if (read32(header + 20) < FDT_VERSION || read32(header + 24) > FDT_COMPATIBLE)
        return false;

    uint32_t tree = read32(header + 8), strings = read32(header + 12);
    uint32_t strings_bytes = read32(header + 32), tree_bytes = read32(header + 36);
    if (!is_range(tree, tree_bytes, bytes) || !is_range(strings, strings_bytes, bytes) || tree % 4 != 0)
        return false;
    *fdt = (struct fdt){header, bytes, tree, tree + tree_bytes, strings, strings + strings_bytes};
    return true;
}

/* Pairs of 64-bit numbers, ended by a pair of zeros. */
bool fdt_reserved(const struct fdt *fdt, uint32_t n, uint64_t *address, uint64_t *bytes)
{
    uint32_t begin = read32(fdt->base + 16);
    if (n >= FDT_BYTES_LIMIT / 16 || !is_range(begin, (n + 1) * 16, fdt->bytes))
        return false;
    struct fdt_value pair = {fdt->base + begin + n * 16, 16};
    fdt_take(&pair, 2, address);
    fdt_take(&pair, 2, bytes);
    return *bytes != 0;
}

/* Bytes of the NUL-terminated string at `begin` with its NUL; 0 when none ends before `end`. */
static uint32_t string_bytes(const struct fdt *fdt, uint32_t begin, uint32_t end)
{
    for (uint32_t at = begin; at < end; at++)
        if (fdt->base[at] == 0)
            return at - begin + 1;
    return 0;
}

static uint32_t align4(uint32_t offset)
{
    return (offset + 3) & ~3u;
}

/* The token at `at`; END also for what lies outside. */
static uint32_t token_at(const struct fdt *fdt, uint32_t at)
{
    return is_range(at, 4, fdt->tree_end) ? read32(fdt->base + at) : FDT_END;
}

/* The offset behind the property token at `at`, or 0 when the property is not all there. */
static inline uint32_t property_end(const struct fdt *fdt, uint32_t at)
{
    if (!is_range(at, 12, fdt->tree_end))
        return 0;
    uint32_t bytes = read32(fdt->base + at + 4);
    if (!is_range(at + 12, bytes, fdt->tree_end))
        return 0;
    return align4(at + 12 + bytes);
}

/* Enters the node whose BEGIN token is at `at`. */
static bool node_enter(const struct fdt *fdt, uint32_t at, uint32_t depth, struct fdt_node *node)
{
    uint32_t bytes = string_bytes(fdt, at + 4, fdt->tree_end);
    if (bytes == 0)
        return false;
    node->name = (const char *)fdt->base + at + 4;
    node->depth = depth;
    node->properties = align4(at + 4 + bytes);
    node->rest = node->properties;
    return true;
}

bool fdt_first(const struct fdt *fdt, struct fdt_node *node)
{
    uint32_t at = fdt->tree_begin;
    while (token_at(fdt, at) == FDT_NOP)
        at += 4;
    return token_at(fdt, at) == FDT_BEGIN_NODE && node_enter(fdt, at, 0, node);
}

bool fdt_next(const struct fdt *fdt, struct fdt_node *node)
{
    uint32_t at = node->rest;
    uint32_t depth = node->depth;
    for (;;) {
        switch (token_at(fdt, at)) {
        case FDT_BEGIN_NODE:
            return node_enter(fdt, at, depth + 1, node);
        case FDT_END_NODE:
            if (depth == 0)
                return false;
            depth--;
            at += 4;
            break;
        case FDT_PROPERTY:
            at = property_end(fdt, at);
            if (at == 0)
                return false;
            break;
        case FDT_NOP:
            at += 4;
            break;
        default:
            return false;
        }
    }
}

/* The string at `offset` of the strings block equals `name`. Most differ in their first character. */
static inline bool is_property_name(const struct fdt *fdt, uint32_t offset, const char *name)
{
    uint32_t room = fdt->strings_end - fdt->strings_begin;
    if (offset >= room)
        return false;
    const char *at = (const char *)fdt->base + fdt->strings_begin + offset;
    if (at[0] != name[0])
        return false;
    for (uint32_t i = 0; i < room - offset; i++) {
        if (at[i] != name[i])
            return false;
        if (name[i] == 0)
            return true;
    }
    return false;
}

/* Steps to the next property: `at` is where to look, then behind it. False behind the last. */
static inline bool property_next(const struct fdt *fdt, uint32_t *at, uint32_t *property)
{
    while (token_at(fdt, *at) == FDT_NOP)
        *at += 4;
    uint32_t end = token_at(fdt, *at) == FDT_PROPERTY ? property_end(fdt, *at) : 0;
    if (end == 0)
        return false;
    *property = *at;
    *at = end;
    return true;
}

static struct fdt_value property_value(const struct fdt *fdt, uint32_t property)
{
    return (struct fdt_value){fdt->base + property + 12, read32(fdt->base + property + 4)};
}

bool fdt_get(const struct fdt *fdt, const struct fdt_node *node, const char *name, struct fdt_value *value)
{
    uint32_t at = node->properties, property;
    while (property_next(fdt, &at, &property)) {
        if (is_property_name(fdt, read32(fdt->base + property + 8), name)) {
            *value = property_value(fdt, property);
            return true;
        }
    }
    return false;
}

void fdt_get_all(const struct fdt *fdt, struct fdt_node *node, const char *const names[], struct fdt_value values[],
                 uint32_t count)
{
    uint32_t at = node->properties, property;
    for (uint32_t i = 0; i < count; i++)
        values[i] = (struct fdt_value){NULL, 0};
    while (property_next(fdt, &at, &property)) {
        uint32_t name = read32(fdt->base + property + 8);
        for (uint32_t i = 0; i < count; i++)
            if (is_property_name(fdt, name, names[i]))
                values[i] = property_value(fdt, property);
    }
    node->rest = at;
}

uint32_t fdt_get_cell(const struct fdt *fdt, const struct fdt_node *node, const char *name, uint32_t fallback)
{
    struct fdt_value value;
    if (!fdt_get(fdt, node, name, &value) || value.bytes != 4)
        return fallback;
    return read32(value.data);
}

bool fdt_is_named(const struct fdt_node *node, const char *name)
{
    const char *at = node->name;
    for (; *name; name++, at++)
        if (*at != *name)
            return false;
    return *at == 0 || *at == '@';
}

bool fdt_next_string(const struct fdt_value *value, uint32_t *at, const char **text, uint32_t *length)
{
    const char *begin = (const char *)value->data + *at;
    uint32_t room = value->bytes - *at;
    for (uint32_t i = 0; i < room; i++) {
        if (begin[i] == 0) {
            *text = begin;
            *length = i;
            *at += i + 1;
            return true;
        }
    }
    return false;
}

bool fdt_has_string(const struct fdt_value *value, const char *text)
{
    const char *string;
    uint32_t at = 0, length;
    while (fdt_next_string(value, &at, &string, &length)) {
        uint32_t i = 0;
        while (i < length && string[i] == text[i])
            i++;
        if (i == length && text[i] == 0)
            return true;
    }
    return false;
}

bool fdt_take(struct fdt_value *value, uint32_t cells, uint64_t *number)
{
    if (cells > value->bytes / 4)
        return false;
    uint64_t result = 0;
    for (uint32_t i = 0; i < cells; i++)
        result = result << 32 | read32(value->data + 4 * i);
    value->data += 4 * cells;
    value->bytes -= 4 * cells;
    *number = result;
    return true;
}
